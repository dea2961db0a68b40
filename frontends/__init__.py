"""Frontends read networks into `relu2mip.ir.Graph`: one subpackage a source language."""
