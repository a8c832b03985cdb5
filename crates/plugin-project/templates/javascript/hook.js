// Tells a server, by a line, that the container has started or is to stop, and waits for its answer.
import { Connection, Failed, cannotDo, config, podAddress } from "./probelet.js";

export const hook = {
    run() {
        const { port, send = "" } = config();
        if (!port) cannotDo("the configuration lacks the `port`, such as 6379");
        try {
            const server = new Connection(podAddress(), port);
            server.send(send);
            server.line();
        } catch (error) {
            if (error instanceof Failed) cannotDo(error.message);
            throw error;
        }
    },
};
