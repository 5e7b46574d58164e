"""Three small programs that keep their promises, each with the test that shows it and one mistake that it would find.

Read one, copy it, put your own program in its place: `harness run scenarios/gallery/job_queue.py`.
"""
