package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// adminEnv names the admin endpoint that commands talk to, as Caddy writes
// addresses: host:port, or unix//path.
const adminEnv = "FAIRWAY_ADMIN"

func adminAddress() string {
	if addr := os.Getenv(adminEnv); addr != "" {
		return addr
	}
	return "127.0.0.1:2019"
}

// ask has the running gateway do something and returns its result. progress is told
// how far it is; nil for commands that report nothing.
func ask[Out any](ctx context.Context, route string, in any, progress func(json.RawMessage)) (out Out, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, fmt.Errorf("writing the request: %w", err)
	}
	resp, err := post(ctx, adminAddress(), adminPrefix+route, body)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadBytes('\n')
		var m struct {
			Progress, Result json.RawMessage
			Error            json.RawMessage
		}
		if len(bytes.TrimSpace(line)) == 0 || json.Unmarshal(line, &m) != nil {
			if err != nil && resp.StatusCode == http.StatusOK {
				return out, fmt.Errorf("the gateway at %s broke off before it was done: look at its log, then run the command again", adminAddress())
			}
			return out, fmt.Errorf("the server at %s is no Fairway gateway (it answers %s): set %s to its admin address", adminAddress(), resp.Status, adminEnv)
		}
		switch {
		case m.Error != nil:
			return out, refusal(m.Error)
		case m.Progress != nil:
			if progress != nil {
				progress(m.Progress)
			}
		default:
			if err := json.Unmarshal(m.Result, &out); err != nil {
				return out, fmt.Errorf("reading the gateway's answer: %w", err)
			}
			return out, nil
		}
	}
}

// refusal is what the gateway said no with; Caddy's own admin endpoint sends a bare
// text.
func refusal(raw json.RawMessage) error {
	var ours operationError
	if err := json.Unmarshal(raw, &ours); err == nil && ours.Message != "" {
		return errors.New(ours.Message)
	}
	var text string
	_ = json.Unmarshal(raw, &text)
	return fmt.Errorf("the admin endpoint at %s refuses: %s", adminAddress(), text)
}

// post sends a request to an admin endpoint, whatever network it is on.
func post(ctx context.Context, address, path string, body []byte) (*http.Response, error) {
	addr, err := caddy.ParseNetworkAddress(address)
	if err != nil || addr.PortRangeSize() > 1 || strings.Contains(address, "://") {
		return nil, fmt.Errorf("%s is %q: an address as 127.0.0.1:2019 or unix//run/fairway/admin.sock is expected", adminEnv, address)
	}
	origin, dial := "http://"+addr.JoinHostPort(0), addr.JoinHostPort(0)
	if addr.IsUnixNetwork() {
		origin = "http://127.0.0.1" // of no meaning there, but requests have a host
		dial, _, _ = strings.Cut(addr.Host, "|")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, origin+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s is %q: %w", adminEnv, address, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if !addr.IsUnixNetwork() {
		req.Header.Set("Origin", origin)
	}
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, addr.Network, dial)
		},
		DisableKeepAlives: true,
	}}
	resp, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return nil, fmt.Errorf("no gateway answers at %s (%w): start it with 'fairway run', or set %s to its admin address", address, op.Err, adminEnv)
		}
		return nil, fmt.Errorf("asking the gateway at %s: %w", address, err)
	}
	return resp, nil
}
