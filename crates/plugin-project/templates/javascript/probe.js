// Asks a server that answers by lines, and is content if the answer begins as it should.
import { Connection, Failed, cannotCheck, config, healthy, podAddress, unhealthy } from "./probelet.js";

export const probe = {
    check() {
        const { port, send = "", expect = "" } = config();
        if (!port) cannotCheck("the configuration lacks the `port`, such as 6379");
        try {
            const server = new Connection(podAddress(), port);
            server.send(send);
            const answer = server.line();
            if (!answer.startsWith(expect)) return unhealthy(`it answered \`${answer}\``);
            return healthy("it answers", { answer });
        } catch (error) {
            if (error instanceof Failed) return unhealthy(error.message);
            throw error;
        }
    },
};
