"""Tells a server, by a line, that the container has started or is to stop, and waits for its answer."""

from probelet import Connection, Failed, cannot_do, config, pod_address


class Hook:
    def run(self):
        settings = config()
        if "port" not in settings:
            cannot_do("the configuration lacks the `port`, such as 6379")
        try:
            server = Connection(pod_address(), settings["port"])
            server.send(settings.get("send", ""))
            server.line()
        except Failed as failure:
            cannot_do(failure)
