//! Asks a server that answers by lines, and is content if the answer begins as it should.

const std = @import("std");
const probelet = @import("probelet.zig");

const Config = struct { port: u16, send: []const u8 = "", expect: []const u8 = "" };

fn check() !*probelet.Verdict {
    const config = try probelet.config(Config);
    const answer = probelet.ask(probelet.podAddress(), config.port, config.send) catch
        return probelet.failed();
    if (!std.mem.startsWith(u8, answer, config.expect))
        return probelet.unhealthy("it answered `{s}`", .{answer});
    return probelet.healthy("it answers", .{}).with("answer", answer);
}

comptime {
    probelet.exportProbe(check);
}
