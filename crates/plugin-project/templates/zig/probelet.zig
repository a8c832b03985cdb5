//! What a check in Zig is written with. Nothing has to be freed: each run is a fresh instance, and all of it goes with it.
//! The work is done by probelet.c; the whole contract, with the container's statistics, logs, files and commands, is in
//! build/bindings/plugin.h, to be declared `extern` as is done here.

const std = @import("std");

/// For what has to live as long as the run.
pub const allocator = std.heap.c_allocator;

/// The longest message.
const max_message = 4096;

/// What a check has found. An error instead of one says that the check itself could not be done, which counts neither for
/// nor against the container; `fail` gives it its message.
pub const Verdict = opaque {
    /// Adds a field for the history and the metrics: a flag, a number or a text. There may be 32.
    pub fn with(verdict: *Verdict, name: [:0]const u8, value: anytype) *Verdict {
        return switch (@typeInfo(@TypeOf(value))) {
            .bool => with_flag(verdict, name, value),
            .int, .comptime_int => with_number(verdict, name, @floatFromInt(value)),
            .float, .comptime_float => with_number(verdict, name, value),
            else => with_text(verdict, name, terminated(value)),
        };
    }
};

extern fn with_text(*Verdict, [*:0]const u8, [*:0]const u8) *Verdict;
extern fn with_number(*Verdict, [*:0]const u8, f64) *Verdict;
extern fn with_flag(*Verdict, [*:0]const u8, bool) *Verdict;

const c = struct {
    extern fn healthy([*:0]const u8, ...) *Verdict;
    extern fn degraded([*:0]const u8, ...) *Verdict;
    extern fn unhealthy([*:0]const u8, ...) *Verdict;
    extern fn cannot_check([*:0]const u8, ...) *Verdict;
    extern fn config_json() [*:0]const u8;
    extern fn pod_address() [*:0]const u8;
    extern fn time_left() u64;
    extern fn state_number(f64) f64;
    extern fn set_state_number(f64) void;
    extern fn tcp_connect([*:0]const u8, u16) ?*Connection;
    extern fn tcp_send(*Connection, [*:0]const u8) bool;
    extern fn tcp_line(*Connection) ?[*:0]u8;
    extern fn tcp_close(*Connection) void;
    extern fn failure() [*:0]const u8;
    extern fn failed() *Verdict;
    extern fn http_get([*:0]const u8, u16, [*:0]const u8, *[*:0]u8) c_int;
};

/// The container is well.
pub fn healthy(comptime format: []const u8, values: anytype) *Verdict {
    return c.healthy("%s", message(format, values).ptr);
}

/// It is not at its best: it counts as healthy, but the message is shown.
pub fn degraded(comptime format: []const u8, values: anytype) *Verdict {
    return c.degraded("%s", message(format, values).ptr);
}

/// It is not well.
pub fn unhealthy(comptime format: []const u8, values: anytype) *Verdict {
    return c.unhealthy("%s", message(format, values).ptr);
}

var failed_with: ?[:0]const u8 = null;

/// The error of a connection, whose message is `failure`.
fn broken() error{Failed} {
    failed_with = null;
    return error.Failed;
}

/// An error with a message: `return fail("the configuration lacks the port", .{})`.
pub fn fail(comptime format: []const u8, values: anytype) error{Failed} {
    failed_with = message(format, values);
    return error.Failed;
}

/// The verdict after an error of a connection: unhealthy, or that the check could not be done if the manifest does not grant
/// it.
pub fn failed() *Verdict {
    return c.failed();
}

/// Why the last operation on a connection has failed.
pub fn failure() [:0]const u8 {
    return std.mem.span(c.failure());
}

/// The configuration in the manifest as a struct whose fields may have defaults.
pub fn config(comptime T: type) !T {
    const text = std.mem.span(c.config_json());
    return std.json.parseFromSliceLeaky(T, allocator, text, .{ .ignore_unknown_fields = true }) catch |err|
        return fail("invalid configuration: {s}", .{@errorName(err)});
}

/// The pod's address; empty if it has none yet.
pub fn podAddress() [:0]const u8 {
    return std.mem.span(c.pod_address());
}

/// How much of the run's time is left, in milliseconds.
pub fn timeLeft() u64 {
    return c.time_left();
}

/// A number that the last run has left, and what it is if there is none.
pub fn stateNumber(otherwise: f64) f64 {
    return c.state_number(otherwise);
}

/// Leaves a number to the next run.
pub fn setStateNumber(value: f64) void {
    c.set_state_number(value);
}

/// A TCP connection. Its functions wait until the run's time is over and no longer; after an error, `failure` says why.
pub const Connection = opaque {
    /// Opens one.
    pub fn open(host: [:0]const u8, port: u16) !*Connection {
        return c.tcp_connect(host, port) orelse broken();
    }

    /// Sends a text.
    pub fn send(connection: *Connection, text: []const u8) !void {
        if (!c.tcp_send(connection, terminated(text))) return broken();
    }

    /// The next line, without its end: at most 4095 bytes.
    pub fn line(connection: *Connection) ![:0]const u8 {
        return std.mem.span(c.tcp_line(connection) orelse return broken());
    }

    /// Closes it.
    pub fn close(connection: *Connection) void {
        c.tcp_close(connection);
    }
};

/// Opens a connection, sends a text and returns the first line of the answer.
pub fn ask(host: [:0]const u8, port: u16, question: []const u8) ![:0]const u8 {
    const server = try Connection.open(host, port);
    defer server.close();
    try server.send(question);
    return server.line();
}

/// The response to a request over HTTP.
pub const Response = struct { status: u16, body: [:0]const u8 };

/// A GET request over HTTP/1.0; of the body the first 64 KiB.
pub fn httpGet(host: [:0]const u8, port: u16, path: [:0]const u8) !Response {
    var body: [*:0]u8 = undefined;
    const status = c.http_get(host, port, path, &body);
    if (status == 0) return broken();
    // It is one of three digits then.
    return .{ .status = @intCast(status), .body = std.mem.span(body) };
}

/// Gives the host a check: a function that returns a verdict or an error.
pub fn exportProbe(comptime check: anytype) void {
    @export(&struct {
        fn run() callconv(.c) *Verdict {
            return check() catch |err| c.cannot_check("%s", reason(err).ptr);
        }
    }.run, .{ .name = "check" });
}

/// Gives the host a hook: a function that returns nothing or an error.
pub fn exportHook(comptime hook: anytype) void {
    @export(&struct {
        fn run() callconv(.c) ?[*:0]const u8 {
            hook() catch |err| return reason(err).ptr;
            return null;
        }
    }.run, .{ .name = "run" });
}

fn reason(err: anyerror) [:0]const u8 {
    return if (err == error.Failed) failed_with orelse failure() else @errorName(err);
}

fn message(comptime format: []const u8, values: anytype) [:0]const u8 {
    var buffer: [max_message]u8 = undefined;
    const text = std.fmt.bufPrint(&buffer, format, values) catch &buffer;
    return terminated(text);
}

fn terminated(text: []const u8) [:0]const u8 {
    const copy = allocator.alloc(u8, text.len + 1) catch @panic("out of memory");
    @memcpy(copy[0..text.len], text);
    copy[text.len] = 0;
    return copy[0..text.len :0];
}
