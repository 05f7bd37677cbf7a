"""Servers of others as processes of ours: started when needed, asked over loopback, ended with us (serving.md)."""
