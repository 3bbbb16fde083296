"""The `fournil` command. Each of its commands is a file here, loaded when it is called."""
