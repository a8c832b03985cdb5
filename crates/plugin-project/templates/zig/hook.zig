//! Tells a server, by a line, that the container has started or is to stop, and waits for its answer.

const probelet = @import("probelet.zig");

const Config = struct { port: u16, send: []const u8 = "" };

fn run() !void {
    const config = try probelet.config(Config);
    _ = try probelet.ask(probelet.podAddress(), config.port, config.send);
}

comptime {
    probelet.exportHook(run);
}
