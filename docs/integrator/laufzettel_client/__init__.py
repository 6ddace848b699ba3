"""A client of Laufzettel for case systems: sign, submit, follow, verify.

Copy this folder, keep it beside messages generated from the schema (docs/INTEGRATION.md says how), and change what you
need. Read in this order: `ids`, `signing`, `api`, `outbox`, `feed`, `proof`, `clearance`.

Must never hold anything that a person could be known by: names and file numbers stay in the case system.
"""
