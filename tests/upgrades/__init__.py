"""Homes and bundles of releases before this one."""
