"""Asks a server that answers by lines, and is content if the answer begins as it should."""

from probelet import Connection, Failed, cannot_check, config, healthy, pod_address, unhealthy


class Probe:
    def check(self):
        settings = config()
        if "port" not in settings:
            cannot_check("the configuration lacks the `port`, such as 6379")
        try:
            server = Connection(pod_address(), settings["port"])
            server.send(settings.get("send", ""))
            answer = server.line()
        except Failed as failure:
            return unhealthy(failure)
        if not answer.startswith(settings.get("expect", "")):
            return unhealthy(f"it answered `{answer}`")
        return healthy("it answers", answer=answer)
