// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"time"
)

// As much of HTTP/1.1 (RFC 9112) as a static file server needs. Pure functions over bytes: nothing
// here knows of sockets, files or evpoll.

const pathMax = 1024

type request struct {
	status    int    // 200: serve it; else the status to refuse it with
	headOnly  bool   // HEAD: the response has no body
	keepAlive bool   // the connection can carry another request afterwards
	path      string // decoded, relative, without dot segments: "docs/index.html"
}

// takeLine takes the next line off rest, without its CRLF or LF; false if there is no whole one.
func takeLine(rest *[]byte) (string, bool) {
	line, after, found := bytes.Cut(*rest, []byte("\n"))
	if !found {
		return "", false
	}
	*rest = after
	return string(bytes.TrimSuffix(line, []byte("\r"))), true
}

// parse takes the first request of b. It returns how many bytes that takes up, 0 if it is not
// complete. Malformed requests are complete: their status says what to answer.
func parse(b []byte) (used int, r request) {
	rest, line, ok := b, "", false
	for line == "" { // empty lines before a request are to be ignored
		if line, ok = takeLine(&rest); !ok {
			return 0, r
		}
	}
	refused, minor := r.parseLine(line)
	var h headers
	for {
		if line, ok = takeLine(&rest); !ok {
			return 0, r
		}
		if line == "" {
			break
		}
		if !h.parse(line) {
			refused = 400
		}
	}
	if refused == 0 && minor == 1 && h.hosts != 1 {
		refused = 400
	}
	r.status = refused
	if refused == 0 {
		r.status = 200
	}
	// A malformed request may not end where it seems to, and a body would have to be read first:
	// what comes after either is not taken for a request.
	r.keepAlive = (minor == 1 || h.keepAlive) && !h.close && !h.body &&
		refused != 400 && refused != 505
	return len(b) - len(rest), r
}

// tooLong is the status of a request that does not fit into the buffer.
func tooLong(b []byte) request {
	if bytes.IndexByte(b, '\n') >= 0 {
		return request{status: 431}
	}
	return request{status: 414}
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte("\"(),/:;<=>?@[\\]{}", s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

func hasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 127 {
			return true
		}
	}
	return false
}

func (r *request) parseLine(line string) (refused, minor int) {
	if hasControl(line) {
		return 400, 0
	}
	method, rest, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(rest, " ")
	switch {
	case !isToken(method):
		return 400, 0
	case version == "HTTP/1.1":
		minor = 1
	case version == "HTTP/1.0":
	case len(version) == 8 && strings.HasPrefix(version, "HTTP/"):
		return 505, 0
	default:
		return 400, 0
	}
	r.headOnly = method == "HEAD"
	if !r.headOnly && method != "GET" {
		return 405, minor
	}
	return r.parseTarget(target), minor
}

// parseTarget turns "/a/b?c" into "a/b". Decoding comes before the look for dots, so that "%2e%2e"
// is seen.
func (r *request) parseTarget(target string) int {
	if len(target) > 7 && strings.EqualFold(target[:7], "http://") {
		slash := strings.IndexByte(target[7:], '/')
		if slash < 0 {
			return 400
		}
		target = target[7+slash:]
	}
	target, _, _ = strings.Cut(target, "?")
	if !strings.HasPrefix(target, "/") {
		return 400
	}
	decoded, refused := decode(target[1:])
	if refused != 0 {
		return refused
	}
	// ".." would leave the folder, and hidden files are nobody's business. An empty segment would
	// make the path absolute, or a share on Windows.
	for i, segment := range strings.Split(decoded, "/") {
		last := i == strings.Count(decoded, "/")
		if strings.HasPrefix(segment, ".") || segment == "" && !last {
			return 404
		}
	}
	if decoded == "" || strings.HasSuffix(decoded, "/") {
		decoded += "index.html"
	}
	r.path = decoded
	return 0
}

// decode decodes %41 and the like; the status is what to refuse with.
func decode(target string) (string, int) {
	var out []byte
	for i := 0; i < len(target); i++ {
		c := target[i]
		if c == '%' {
			high, low := -1, -1
			if i+2 < len(target) {
				high, low = hexDigit(target[i+1]), hexDigit(target[i+2])
			}
			if high < 0 || low < 0 {
				return "", 400
			}
			c = byte(high*16 + low)
			i += 2
		}
		// A NUL would cut the path; to Windows a backslash separates folders, and a colon names
		// a drive or a stream. Refused everywhere, so that no file is served on one system only.
		if c < ' ' || c == 127 || c == '\\' || c == ':' {
			return "", 400
		}
		if len(out) == pathMax-len("index.html\x00") {
			return "", 414
		}
		out = append(out, c)
	}
	return string(out), 0
}

func hexDigit(c byte) int {
	if c >= 'A' && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}

type headers struct {
	hosts                  int
	close, keepAlive, body bool
}

func (h *headers) parse(line string) bool {
	name, value, found := strings.Cut(line, ":")
	if !found || !isToken(name) || hasControl(value) {
		return false
	}
	value = strings.Trim(value, " \t")
	switch strings.ToLower(name) {
	case "host":
		h.hosts++
	case "transfer-encoding":
		h.body = true
	case "content-length":
		h.body = h.body || value != "0"
	case "connection":
		for _, option := range strings.Split(strings.ToLower(value), ",") {
			option = strings.Trim(option, " \t")
			h.close = h.close || option == "close"
			h.keepAlive = h.keepAlive || option == "keep-alive"
		}
	}
	return true
}

var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript", ".json": "application/json",
	".txt": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8",
	".c": "text/plain; charset=utf-8", ".h": "text/plain; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif",
	".pdf": "application/pdf", ".wasm": "application/wasm",
}

var reasons = map[int]string{
	200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
	414: "URI Too Long", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
	503: "Service Unavailable", 505: "HTTP Version Not Supported",
}

// head is the head of a response.
func head(r request, size int64, keepAlive bool) []byte {
	kind, more, connection := types[strings.ToLower(path.Ext(r.path))], "", "close"
	if r.status != 200 {
		kind = types[".txt"]
	}
	if kind == "" {
		kind = "application/octet-stream"
	}
	if r.status == 405 {
		more = "Allow: GET, HEAD\r\n"
	}
	if keepAlive {
		connection = "keep-alive"
	}
	return []byte(fmt.Sprintf("HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n"+
		"Content-Length: %d\r\nX-Content-Type-Options: nosniff\r\n%sConnection: %s\r\n\r\n",
		r.status, reasons[r.status], time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"),
		kind, size, more, connection))
}
