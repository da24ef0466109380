"""The item pipelines: each passes what a spider yields to the worker, and acts on the result."""
