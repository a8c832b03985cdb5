// Package probelet is what a check in Go is written with. The whole contract, with the container's statistics, logs, files
// and commands, is in the packages of build/bindings.
package probelet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"local/{{name}}/build/bindings/probelet_plugin_context"
	"local/{{name}}/build/bindings/probelet_plugin_state"
	"local/{{name}}/build/bindings/probelet_plugin_types"
	"local/{{name}}/build/bindings/wasi_clocks_monotonic_clock"
	"local/{{name}}/build/bindings/wasi_io_poll"
	"local/{{name}}/build/bindings/wasi_io_streams"
	"local/{{name}}/build/bindings/wasi_sockets_instance_network"
	"local/{{name}}/build/bindings/wasi_sockets_ip_name_lookup"
	"local/{{name}}/build/bindings/wasi_sockets_network"
	"local/{{name}}/build/bindings/wasi_sockets_tcp"
	"local/{{name}}/build/bindings/wasi_sockets_tcp_create_socket"
)

// The longest line and the longest body.
const (
	maxLine = 4096
	maxBody = 64 * 1024
)

// Verdict is what a check has found. An error instead of one says that the check itself could not be done, which counts
// neither for nor against the container.
type Verdict struct {
	contract probelet_plugin_types.Verdict
}

// Healthy says that the container is well.
func Healthy(message string, values ...any) Verdict {
	return verdict(probelet_plugin_types.HealthHealthy, message, values)
}

// Degraded says that it is not at its best: it counts as healthy, but the message is shown.
func Degraded(message string, values ...any) Verdict {
	return verdict(probelet_plugin_types.HealthDegraded, message, values)
}

// Unhealthy says that it is not well.
func Unhealthy(message string, values ...any) Verdict {
	return verdict(probelet_plugin_types.HealthUnhealthy, message, values)
}

func verdict(health probelet_plugin_types.Health, message string, values []any) Verdict {
	return Verdict{probelet_plugin_types.Verdict{Health: health, Message: valid(fmt.Sprintf(message, values...))}}
}

// The host takes UTF-8 alone, and servers send other things as well.
func valid(text string) string {
	return strings.ToValidUTF8(text, "\uFFFD")
}

// Failed is what comes of an error of a connection: unhealthy, or an error of the check if the manifest does not grant it or
// asks for a port that there is not.
func Failed(err error) (Verdict, error) {
	if errors.Is(err, errRefused) || errors.Is(err, errPort) {
		return Verdict{}, err
	}
	return Unhealthy("%s", err), nil
}

// With adds a field for the history and the metrics: a flag, a number or a text. There may be 32.
func (verdict Verdict) With(name string, value any) Verdict {
	field := probelet_plugin_types.Field{Name: name}
	switch value := value.(type) {
	case bool:
		field.Value = probelet_plugin_types.MakeValueFlag(value)
	case int:
		field.Value = probelet_plugin_types.MakeValueNumber(float64(value))
	case float64:
		field.Value = probelet_plugin_types.MakeValueNumber(value)
	default:
		field.Value = probelet_plugin_types.MakeValueText(valid(fmt.Sprint(value)))
	}
	verdict.contract.Fields = append(verdict.contract.Fields, field)
	return verdict
}

// Contract is the verdict as the host takes it.
func (verdict Verdict) Contract() probelet_plugin_types.Verdict {
	return verdict.contract
}

// Config reads the configuration in the manifest, as json.Unmarshal does.
func Config(into any) error {
	if err := json.Unmarshal([]byte(probelet_plugin_context.Config()), into); err != nil {
		return fmt.Errorf("invalid configuration: %w", err)
	}
	return nil
}

// PodAddress is the pod's address; empty if it has none yet.
func PodAddress() string {
	return probelet_plugin_context.Address().SomeOr("")
}

// TimeLeft is how much of the run's time is left.
func TimeLeft() time.Duration {
	return time.Duration(probelet_plugin_context.TimeLeft())
}

// Saved reads what the last run has left with Save. False: there is nothing.
func Saved(into any) bool {
	content := probelet_plugin_state.Get()
	return content.IsSome() && json.Unmarshal(content.Some(), into) == nil
}

// Save leaves something to the next run: anything that JSON can say, at most 64 KiB of it.
func Save(value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if result := probelet_plugin_state.Set(content); result.IsErr() {
		return errors.New(result.Err())
	}
	return nil
}

// Connection is a TCP connection. Its methods wait until the run's time is over and no longer.
type Connection struct {
	socket *wasi_sockets_tcp.TcpSocket
	input  *wasi_io_streams.InputStream
	output *wasi_io_streams.OutputStream
	buffer []byte
}

var (
	errTime    = errors.New("timed out")
	errRefused = errors.New("not granted")
	errPort    = errors.New("there is no such port")
)

// Connect opens a connection.
func Connect(host string, port int) (*Connection, error) {
	connection := &Connection{}
	if port < 1 || port > 65535 {
		return nil, fmt.Errorf("connecting to %s port %d: %w", host, port, errPort)
	} else if err := connection.dial(host, uint16(port)); err != nil {
		return nil, fmt.Errorf("connecting to %s port %d: %w", host, port, err)
	}
	return connection, nil
}

// Waits for what is subscribed to.
func wait(pollable *wasi_io_poll.Pollable) error {
	timer := wasi_clocks_monotonic_clock.SubscribeDuration(probelet_plugin_context.TimeLeft())
	defer timer.Drop()
	defer pollable.Drop()
	for _, ready := range wasi_io_poll.Poll([]*wasi_io_poll.Pollable{pollable, timer}) {
		if ready == 0 {
			return nil
		}
	}
	return errTime
}

func lookUp(host string, network *wasi_sockets_network.Network) (address wasi_sockets_network.IpAddress, err error) {
	names := wasi_sockets_ip_name_lookup.ResolveAddresses(network, host)
	if names.IsErr() {
		return address, reason(names.Err())
	}
	defer names.Ok().Drop()
	for {
		result := names.Ok().ResolveNextAddress()
		if result.IsOk() && result.Ok().IsSome() {
			return result.Ok().Some(), nil
		} else if result.IsOk() {
			return address, errors.New("no such host")
		} else if result.Err() != wasi_sockets_network.ErrorCodeWouldBlock {
			return address, reason(result.Err())
		} else if err := wait(names.Ok().Subscribe()); err != nil {
			return address, err
		}
	}
}

func (connection *Connection) dial(host string, port uint16) error {
	network := wasi_sockets_instance_network.InstanceNetwork()
	address, err := lookUp(host, network)
	if err != nil {
		return err
	}
	var remote wasi_sockets_network.IpSocketAddress
	if address.Tag() == wasi_sockets_network.IpAddressIpv4 {
		remote = wasi_sockets_network.MakeIpSocketAddressIpv4(
			wasi_sockets_network.Ipv4SocketAddress{Port: port, Address: address.Ipv4()})
	} else {
		remote = wasi_sockets_network.MakeIpSocketAddressIpv6(
			wasi_sockets_network.Ipv6SocketAddress{Port: port, Address: address.Ipv6()})
	}
	socket := wasi_sockets_tcp_create_socket.CreateTcpSocket(address.Tag())
	if socket.IsErr() {
		return reason(socket.Err())
	}
	connection.socket = socket.Ok()
	if started := connection.socket.StartConnect(network, remote); started.IsErr() {
		return reason(started.Err())
	}
	for {
		streams := connection.socket.FinishConnect()
		if streams.IsOk() {
			connection.input, connection.output = streams.Ok().F0, streams.Ok().F1
			return nil
		} else if streams.Err() != wasi_sockets_network.ErrorCodeWouldBlock {
			return reason(streams.Err())
		} else if err := wait(connection.socket.Subscribe()); err != nil {
			return err
		}
	}
}

func reason(code wasi_sockets_network.ErrorCode) error {
	if code == wasi_sockets_network.ErrorCodeAccessDenied {
		return errRefused
	}
	reasons := []string{
		"unknown error", "not granted", "not supported", "invalid argument", "out of memory", "timed out",
		"another operation is under way", "nothing is under way", "not ready", "invalid state", "too many sockets",
		"address cannot be used", "address in use", "unreachable", "connection refused", "connection reset",
		"connection aborted", "datagram too large", "no such host", "the resolver is busy", "the resolver has failed",
	}
	if int(code) < len(reasons) {
		return errors.New(reasons[code])
	}
	return fmt.Errorf("error %d", code)
}

// Write sends bytes.
func (connection *Connection) Write(data []byte) (sent int, err error) {
	for sent < len(data) {
		room := connection.output.CheckWrite()
		if room.IsErr() {
			return sent, errors.New("sending: the connection is closed")
		}
		now := min(int(room.Ok()), len(data)-sent)
		if now == 0 {
			if err := wait(connection.output.Subscribe()); err != nil {
				return sent, fmt.Errorf("sending: %w", err)
			}
		} else if connection.output.Write(data[sent : sent+now]).IsErr() {
			return sent, errors.New("sending: the connection is closed")
		}
		sent += now
	}
	if connection.output.Flush().IsErr() {
		return sent, errors.New("sending: the connection is closed")
	}
	return sent, nil
}

// Send sends a text.
func (connection *Connection) Send(text string) error {
	_, err := connection.Write([]byte(text))
	return err
}

// Read reads what is there, or waits for it: io.EOF at the end.
func (connection *Connection) Read(into []byte) (int, error) {
	if len(connection.buffer) > 0 {
		taken := copy(into, connection.buffer)
		connection.buffer = connection.buffer[taken:]
		return taken, nil
	}
	for {
		part := connection.input.Read(uint64(len(into)))
		if part.IsErr() {
			return 0, io.EOF
		} else if len(part.Ok()) > 0 {
			return copy(into, part.Ok()), nil
		} else if err := wait(connection.input.Subscribe()); err != nil {
			return 0, fmt.Errorf("waiting for an answer: %w", err)
		}
	}
}

// Line reads the next line, without its end.
func (connection *Connection) Line() (string, error) {
	var read []byte
	for {
		if line, rest, found := bytes.Cut(read, []byte("\n")); found {
			connection.buffer = rest
			return strings.TrimSuffix(string(line), "\r"), nil
		} else if len(read) > maxLine {
			return "", errors.New("reading a line: it is too long")
		}
		part := make([]byte, maxLine)
		count, err := connection.Read(part)
		if err == io.EOF {
			return "", errors.New("reading a line: the connection was closed before its end")
		} else if err != nil {
			return "", err
		}
		read = append(read, part[:count]...)
	}
}

// Close closes it.
func (connection *Connection) Close() {
	connection.input.Drop()
	connection.output.Drop()
	connection.socket.Drop()
}

// Ask opens a connection, sends a text and returns the first line of the answer.
func Ask(host string, port int, question string) (string, error) {
	server, err := Connect(host, port)
	if err != nil {
		return "", err
	}
	defer server.Close()
	if err := server.Send(question); err != nil {
		return "", err
	}
	return server.Line()
}

// HTTPGet returns the status of a GET request over HTTP/1.0, and the first 64 KiB of the body.
func HTTPGet(host string, port int, path string) (status int, body []byte, err error) {
	server, err := Connect(host, port)
	if err != nil {
		return 0, nil, err
	}
	defer server.Close()
	if err := server.Send(fmt.Sprintf("GET %s HTTP/1.0\r\nHost: %s:%d\r\n\r\n", path, host, port)); err != nil {
		return 0, nil, err
	}
	line, err := server.Line()
	if err != nil {
		return 0, nil, err
	}
	words := strings.Fields(line)
	if len(words) < 2 || !strings.HasPrefix(line, "HTTP/") {
		return 0, nil, errors.New("reading the response: it is not HTTP")
	}
	if status, err = strconv.Atoi(words[1]); err != nil || status < 100 || status > 599 {
		return 0, nil, errors.New("reading the response: its status is no number from 100 to 599")
	}
	for line != "" {
		if line, err = server.Line(); err != nil {
			return 0, nil, err
		}
	}
	body, err = io.ReadAll(io.LimitReader(server, maxBody))
	return status, body, err
}
