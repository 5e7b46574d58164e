"""What `harness init` sees in somebody's program, and the files it writes for it. The program is read, never run."""
