"""The voice-call plugin of the npm package `openclaw`, release 2026.2.17, as a subject: a real program, not one of ours.

It is fetched from the package registry when it is needed (`package`), run with Node through tsx (its TypeScript is
compiled as it is loaded), recorded by `harness record` and swept by `harness crash` (`sweep`). Two calls go through its own
`CallManager` with its own mock provider (`deliver.mjs`), and a manager restarted on what a death left is asked what it
kept (`check.mjs`). Its issue 18851: state was written by an append that nobody awaited.

Not run: the plugin's web server (it needs the rest of the package). What the server does with an event, `processEvent`,
an error only logged, then 200, is done in its place.
"""
