// What a check in JavaScript or TypeScript is written with. The whole contract, with the container's statistics, logs, files
// and commands, can be imported as the first lines do it; its functions are in wit/deps/probelet.wit.

import * as context from "probelet:plugin/context@0.1.0";
import * as state from "probelet:plugin/state@0.1.0";
import { subscribeDuration } from "wasi:clocks/monotonic-clock@0.2.12";
import { poll } from "wasi:io/poll@0.2.12";
import { instanceNetwork } from "wasi:sockets/instance-network@0.2.12";
import { resolveAddresses } from "wasi:sockets/ip-name-lookup@0.2.12";
import { createTcpSocket } from "wasi:sockets/tcp-create-socket@0.2.12";

// The longest line and the longest body.
const LINE = 4096;
const BODY = 64 * 1024;

/** The container is well. Fields are texts, numbers or booleans, for the history and the metrics; at most 32. */
export const healthy = (message = "", fields = {}) => verdict("healthy", message, fields);

/** It is not at its best: it counts as healthy, but the message is shown. */
export const degraded = (message, fields = {}) => verdict("degraded", message, fields);

/** It is not well. */
export const unhealthy = (message, fields = {}) => verdict("unhealthy", message, fields);

/** Ends the run: the check itself could not be done, which counts neither for nor against the container. */
export function cannotCheck(reason) {
    throw String(reason);
}

/** Ends a hook's run: it could not be done. */
export const cannotDo = cannotCheck;

function verdict(health, message, fields) {
    const tags = { boolean: "flag", number: "number" };
    const value = (val) => (typeof val in tags ? { tag: tags[typeof val], val } : { tag: "text", val: String(val) });
    const list = Object.entries(fields).map(([name, val]) => ({ name, value: value(val) }));
    return { health, message: String(message), fields: list };
}

/** The configuration in the manifest, as an object. */
export const config = () => JSON.parse(context.config());

/** The pod's address; empty if it has none yet. */
export const podAddress = () => context.address() ?? "";

/** How much of the run's time is left, in milliseconds. */
export const timeLeft = () => Number(context.timeLeft()) / 1e6;

/** What the last run has left with `save`. */
export function saved(otherwise) {
    const content = state.get();
    return content === undefined ? otherwise : JSON.parse(toText(content));
}

/** Leaves something to the next run: anything that JSON can say, at most 64 KiB of it. */
export const save = (value) => state.set(toBytes(JSON.stringify(value)));

/** A connection that could not be made or has broken; its message says how. */
export class Failed extends Error {}

function wait(pollable) {
    const timer = subscribeDuration(Number(context.timeLeft()));
    if (!poll([pollable, timer]).includes(0)) throw new Failed("timed out");
}

/** The code of an error of WASI: what was returned as one is thrown, in some versions inside an `Error`. */
const code = (error) => error?.payload ?? error;

/** Calls until the answer is another than that it is too early for one. */
function retry(operation, resource) {
    for (;;) {
        try {
            return operation();
        } catch (error) {
            if (code(error) !== "would-block") throw error;
        }
        wait(resource.subscribe());
    }
}

/** A TCP connection. Its methods wait until the run's time is over and no longer, and throw `Failed`. */
export class Connection {
    #socket;
    #input;
    #output;
    #buffer = "";

    constructor(host, port) {
        if (!(port >= 1 && port <= 65535)) cannotCheck(`connecting to ${host} port ${port}: there is no such port`);
        try {
            this.#connect(host, port);
        } catch (error) {
            if (code(error) === "access-denied") cannotCheck(`connecting to ${host} port ${port}: not granted`);
            const reason = error instanceof Failed ? error.message : String(code(error)).replaceAll("-", " ");
            throw new Failed(`connecting to ${host} port ${port}: ${reason}`);
        }
    }

    #connect(host, port) {
        const network = instanceNetwork();
        const names = resolveAddresses(network, host);
        const address = retry(() => names.resolveNextAddress(), names);
        if (address === undefined) throw new Failed("no such host");
        const val = { port, flowInfo: 0, address: address.val, scopeId: 0 };
        this.#socket = createTcpSocket(address.tag);
        this.#socket.startConnect(network, { tag: address.tag, val });
        [this.#input, this.#output] = retry(() => this.#socket.finishConnect(), this.#socket);
    }

    /** Sends a text. */
    send(text) {
        let data = toBytes(text);
        try {
            while (data.length > 0) {
                const room = Number(this.#output.checkWrite());
                if (room === 0) wait(this.#output.subscribe());
                this.#output.write(data.slice(0, room));
                data = data.slice(room);
            }
            this.#output.flush();
        } catch (error) {
            throw new Failed(`sending: ${error instanceof Failed ? error.message : "the connection is closed"}`);
        }
    }

    /** The next characters, at most so many; none at the end. */
    receive(limit = LINE) {
        if (this.#buffer !== "") {
            const part = this.#buffer.slice(0, limit);
            this.#buffer = this.#buffer.slice(limit);
            return part;
        }
        for (;;) {
            let part;
            try {
                part = this.#input.read(limit);
            } catch {
                return "";
            }
            if (part.length > 0) return toText(part);
            try {
                wait(this.#input.subscribe());
            } catch (error) {
                throw new Failed(`waiting for an answer: ${error.message}`);
            }
        }
    }

    /** The next line, without its end. */
    line() {
        let read = "";
        while (!read.includes("\n")) {
            const part = this.receive();
            if (part === "") throw new Failed("reading a line: the connection was closed before its end");
            read += part;
            if (read.length > LINE) throw new Failed("reading a line: it is too long");
        }
        const end = read.indexOf("\n");
        this.#buffer = read.slice(end + 1);
        return read.slice(0, end).replace(/\r$/, "");
    }
}

/** The status of a GET request over HTTP/1.0, and the first 64 KiB of the body. */
export function httpGet(host, port, path) {
    const server = new Connection(host, port);
    server.send(`GET ${path} HTTP/1.0\r\nHost: ${host}:${port}\r\n\r\n`);
    const status = /^HTTP\/\S+ ([1-5]\d\d)(?!\d)/.exec(server.line());
    if (!status) throw new Failed("reading the response: it is not HTTP");
    while (server.line() !== "");
    let body = "";
    for (let part; body.length < BODY && (part = server.receive(BODY - body.length)) !== ""; body += part);
    return { status: Number(status[1]), body };
}

// Not every engine has TextEncoder.
function toBytes(text) {
    return Uint8Array.from(unescape(encodeURIComponent(text)), (character) => character.charCodeAt(0));
}

function toText(bytes) {
    const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    try {
        return decodeURIComponent(escape(text));
    } catch {
        return text;
    }
}
