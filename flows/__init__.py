"""When and where: Prefect flows over the components, settings, and the command line."""
