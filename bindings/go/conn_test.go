// SPDX-License-Identifier: MIT

package evpoll

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var (
	_ net.Conn      = (*Conn)(nil)
	_ io.ReaderFrom = (*Conn)(nil)
	_ io.WriterTo   = (*Conn)(nil)
	_ syscall.Conn  = (*Conn)(nil)
	_ net.Listener  = (*Listener)(nil)
)

func listening(t testing.TB, l *Loop) *Listener {
	t.Helper()
	a, err := l.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { closed(t, a.Close()) })
	return a
}

// connected is a connection of two loops, which may be the same.
func connected(t testing.TB, here, there *Loop) (*Conn, *Conn) {
	t.Helper()
	l := listening(t, there)
	a, err := here.Dial("tcp", l.Addr().String())
	must(t, err)
	b, err := l.AcceptConn()
	must(t, err)
	must(t, l.Close())
	t.Cleanup(func() { closed(t, a.Close()); closed(t, b.Close()) })
	return a.(*Conn), b
}

func TestConnectionsCarryBytes(t *testing.T) {
	l := serving(t)
	a, b := connected(t, l, l)
	if a.LocalAddr().String() != b.RemoteAddr().String() ||
		b.LocalAddr().String() != a.RemoteAddr().String() {
		t.Fatal(a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	data := pattern(5<<20, 3) // more than the system buffers
	done := make(chan error)
	go func() {
		_, err := a.Write(data)
		a.CloseWrite()
		done <- err
	}()
	got, err := io.ReadAll(b)
	must(t, err)
	must(t, <-done)
	if !bytes.Equal(got, data) {
		t.Fatal("other bytes")
	}
	if n, err := b.Read(nil); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatal(n, err)
	}
	_, err = b.Write([]byte("still open")) // in this direction
	must(t, err)
	if n, err := a.Read(make([]byte, 100)); n != 10 || err != nil {
		t.Fatal(n, err)
	}
	_, err = a.Write([]byte("x"))
	wants(t, err, ErrBrokenPipe)
	must(t, b.CloseRead())
	must(t, a.Close())
	must(t, b.Close())
	wants(t, b.Close(), net.ErrClosed)
	until(t, "nothing is left in the table", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.idle) == len(l.ops)
	})
}

func TestRawConnsWait(t *testing.T) {
	l := serving(t)
	a, b := connected(t, l, l)
	raw, err := a.SyscallConn()
	must(t, err)
	done, tries := make(chan error), 0
	go func() { done <- raw.Read(func(uintptr) bool { tries++; return tries == 2 }) }()
	inFlight(t, l, 1)
	_, err = b.Write([]byte("x"))
	must(t, err)
	must(t, <-done)
	must(t, raw.Write(func(uintptr) bool { return true }))
	must(t, a.Close())
	wants(t, raw.Control(func(uintptr) { t.Error("called") }), net.ErrClosed)
	wants(t, raw.Read(func(uintptr) bool { t.Error("called"); return true }), net.ErrClosed)
}

type halfWriter int

func (w *halfWriter) Write(b []byte) (int, error) {
	*w += halfWriter(len(b) / 2)
	return len(b) / 2, nil
}

// What a writer leaves is not passed over in silence.
func TestWriteToMeetsAShortWrite(t *testing.T) {
	l := serving(t)
	a, b := connected(t, l, l)
	_, err := a.Write(make([]byte, 100))
	must(t, err)
	must(t, a.Close())
	var w halfWriter
	if n, err := b.WriteTo(&w); n != int64(w) || !errors.Is(err, io.ErrShortWrite) {
		t.Fatal(n, w, err)
	}
}

// What could not be sent is not counted, and the file stands where it stood.
func TestReadFromOfAFailedConnectionSendsNothing(t *testing.T) {
	l := serving(t)
	a, b := connected(t, l, l)
	must(t, b.CloseWrite())
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, make([]byte, 1<<20), 0o600))
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	n, err := b.ReadFrom(f)
	at, _ := f.Seek(0, io.SeekCurrent)
	if n != 0 || at != 0 || !errors.Is(err, ErrBrokenPipe) {
		t.Fatal(n, at, err)
	}
	must(t, a.Close())
}

// A reader that has nothing yet keeps nobody else from writing.
func TestWriteBesideAReadFromThatWaits(t *testing.T) {
	l := serving(t)
	a, b := connected(t, l, l)
	r, w := io.Pipe()
	done := make(chan error)
	go func() { _, err := a.ReadFrom(r); done <- err }()
	w.Write([]byte("1")) // it reads
	got := make([]byte, 2)
	_, err := io.ReadFull(b, got[:1])
	must(t, err)
	_, err = a.Write([]byte("2"))
	must(t, err)
	_, err = io.ReadFull(b, got[1:])
	must(t, err)
	w.Close()
	must(t, <-done)
	if string(got) != "12" {
		t.Fatal(got)
	}
}

// What a function of the program's does in the middle of a call is the program's: nothing stays held.
func TestAPanicHoldsNothing(t *testing.T) {
	l := serving(t)
	a, b := connected(t, l, l)
	raw, err := a.SyscallConn()
	must(t, err)
	for _, call := range []func(){
		func() { raw.Control(func(uintptr) { panic("control") }) },
		func() { raw.Read(func(uintptr) bool { panic("read") }) },
		func() { raw.Write(func(uintptr) bool { panic("write") }) },
		func() { a.ReadFrom(panics{}) },
		func() { b.Write([]byte("x")); a.WriteTo(panics{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call()
		}()
	}
	_, err = a.Write([]byte("goes on"))
	must(t, err)
	got := make([]byte, 7)
	_, err = io.ReadFull(b, got)
	must(t, err)
	must(t, a.Close())
	if n, err := b.Read(got); n != 0 || err == nil { // it is closed: nobody holds it
		t.Fatal(n, err)
	}
}

type panics struct{}

func (panics) Read([]byte) (int, error)  { panic("read") }
func (panics) Write([]byte) (int, error) { panic("write") }

func TestDeadlinesEndReadsWritesAndAccepts(t *testing.T) {
	l := serving(t)
	a, b := connected(t, l, l)
	listener := listening(t, l)
	moment := func() time.Time { return time.Now().Add(5 * time.Millisecond) }
	must(t, listener.SetDeadline(moment()))
	_, err := listener.Accept()
	wants(t, err, os.ErrDeadlineExceeded)
	must(t, a.SetReadDeadline(moment()))
	for i := 0; i < 2; i++ {
		_, err = a.Read(make([]byte, 1))
		wants(t, err, os.ErrDeadlineExceeded)
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Fatal(err)
		}
	}
	must(t, a.SetWriteDeadline(moment()))
	n, err := a.Write(make([]byte, 64<<20))
	wants(t, err, os.ErrDeadlineExceeded)
	if n == 64<<20 {
		t.Fatal(n)
	}
	must(t, a.SetDeadline(time.Time{}))
	_, err = b.Write([]byte("x"))
	must(t, err)
	_, err = a.Read(make([]byte, 1))
	must(t, err)

	// One that waits is ended by a deadline that is moved, to the past too, and goes on with none.
	done := make(chan error)
	for _, moved := range []time.Time{time.Now(), moment()} {
		must(t, a.SetReadDeadline(time.Now().Add(time.Hour)))
		go func() { _, err := a.Read(make([]byte, 1)); done <- err }()
		inFlight(t, l, 1)
		must(t, a.SetReadDeadline(time.Time{}))
		must(t, a.SetReadDeadline(moved))
		wants(t, <-done, os.ErrDeadlineExceeded)
	}
	must(t, a.SetReadDeadline(time.Now().Add(time.Hour)))
	go func() { _, err := a.Read(make([]byte, 1)); done <- err }()
	inFlight(t, l, 1)
	must(t, a.SetReadDeadline(time.Time{}))
	_, err = b.Write([]byte("x"))
	must(t, err)
	must(t, <-done)

	// What is closed is closed, whatever its deadline says.
	must(t, a.SetDeadline(time.Now()))
	must(t, a.Close())
	_, err = a.Read(make([]byte, 1))
	wants(t, err, net.ErrClosed)
	_, err = a.Write(make([]byte, 1))
	wants(t, err, net.ErrClosed)
	wants(t, a.SetDeadline(time.Time{}), net.ErrClosed)
	must(t, listener.SetDeadline(time.Now()))
	must(t, listener.Close())
	_, err = listener.Accept()
	wants(t, err, net.ErrClosed)
	wants(t, listener.SetDeadline(time.Time{}), net.ErrClosed)
}

// Whoever makes no progress is ended, whatever the deadline says, and whoever waits already too.
func TestAStallEnds(t *testing.T) {
	l := serving(t)
	a, b := connected(t, l, l)
	const moment, size = 5 * time.Millisecond, 64 << 20
	done := make(chan error)
	read := func() { _, err := a.Read(make([]byte, 1)); done <- err }
	go read()
	inFlight(t, l, 1)
	must(t, a.SetStallTimeout(moment))
	wants(t, <-done, os.ErrDeadlineExceeded)
	must(t, a.SetDeadline(time.Now().Add(time.Hour)))
	_, err := a.Read(make([]byte, 1))
	wants(t, err, os.ErrDeadlineExceeded)
	n, err := a.Write(make([]byte, size))
	wants(t, err, os.ErrDeadlineExceeded)
	sent, err := io.Copy(a, somefile(t, l, size).Section(0, size))
	wants(t, err, os.ErrDeadlineExceeded)
	if n == size || sent == size {
		t.Error(n, sent)
	}
	must(t, a.SetStallTimeout(time.Hour))
	must(t, a.SetReadDeadline(time.Now().Add(moment)))
	_, err = a.Read(make([]byte, 1))
	wants(t, err, os.ErrDeadlineExceeded)
	must(t, a.SetDeadline(time.Time{}))
	must(t, a.SetStallTimeout(moment))
	must(t, a.SetStallTimeout(0))
	go read()
	inFlight(t, l, 1)
	_, err = b.Write([]byte("x"))
	must(t, err)
	must(t, <-done)
	must(t, a.Close())
	wants(t, a.SetStallTimeout(0), net.ErrClosed)
}

// No more than so many are open at once, those in the queue come next, and the last is waited for.
func TestServeBoundsItsConnections(t *testing.T) {
	l := serving(t)
	listener := listening(t, l)
	const most, clients = 2, 8
	var open, begun, ended atomic.Int64
	served := make(chan error)
	go func() {
		served <- listener.Serve(most, func(c *Conn) {
			if open.Add(1) > most {
				t.Error("too many")
			}
			begun.Add(1)
			io.Copy(c, c)
			open.Add(-1)
			ended.Add(1)
		})
	}()
	var all [clients]net.Conn
	for i := range all {
		c, err := net.Dial("tcp", listener.Addr().String())
		must(t, err)
		all[i] = c
	}
	letter := []byte("x")
	for i, c := range all {
		_, err := c.Write(letter)
		must(t, err)
		_, err = io.ReadFull(c, letter)
		must(t, err)
		if i > 0 { // the one before stays: there are two
			must(t, all[i-1].Close())
		}
	}
	must(t, listener.Close())
	if ended.Load() == clients {
		t.Error("the last is open")
	}
	must(t, all[clients-1].Close())
	if err := <-served; err != nil || begun.Load() != clients || ended.Load() != clients {
		t.Fatal(err, begun.Load(), ended.Load())
	}
}

func TestCloseEndsWhatWaits(t *testing.T) {
	for name, end := range map[string]func(l *Loop, ends ...io.Closer){
		"each": func(l *Loop, ends ...io.Closer) {
			for _, e := range ends {
				must(t, e.Close())
			}
		},
		"loop": func(l *Loop, ends ...io.Closer) { must(t, l.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			l := serving(t)
			a, b := connected(t, l, l)
			listener := listening(t, l)
			done := make(chan error)
			go func() { _, err := a.Read(make([]byte, 1)); done <- err }()
			go func() { _, err := listener.Accept(); done <- err }()
			go func() { _, err := a.Write(make([]byte, 64<<20)); done <- err }()
			go func() { _, err := b.WriteTo(io.Discard); done <- err }()
			inFlight(t, l, 3)
			end(l, a, listener)
			for i := 0; i < 4; i++ {
				if err := <-done; err != nil { // WriteTo may see the end of what was sent
					if !errors.Is(err, net.ErrClosed) && !errors.Is(err, ErrReset) {
						t.Error(err)
					}
				}
			}
			if a.LocalAddr() == nil || a.RemoteAddr() == nil || listener.Addr() == nil {
				t.Error("no address of what is closed")
			}
		})
	}
}

func TestUseOfAClosedLoopIsAnError(t *testing.T) {
	l := serving(t)
	a, _ := connected(t, l, l)
	f := somefile(t, l, 10)
	must(t, l.Close())
	drop := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"close":  l.Close(),
		"listen": drop(l.Listen("tcp", "127.0.0.1:0")),
		"dial":   drop(l.Dial("tcp", "127.0.0.1:1")),
		"open":   drop(l.OpenFile(somepath(t, 1))),
		"read":   drop(a.Read(make([]byte, 1))),
		"write":  drop(a.Write(make([]byte, 1))),
		"size":   drop(f.Size()),
		"readat": drop(f.ReadAt(soon(t), make([]byte, 1), 0)),
		"stats":  drop(l.Stats()),
	} {
		if !errors.Is(err, ErrClosed) && name != "dial" || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A client that resets right after it has connected: accept yields a connection that has addresses.
func TestAResetRightAfterConnectHarmsNoServer(t *testing.T) {
	l := serving(t)
	listener := listening(t, l)
	served := make(chan error)
	go func() {
		served <- http.Serve(listener, http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) }))
	}()
	for i := 0; i < 100; i++ {
		c, err := net.Dial("tcp", listener.Addr().String())
		must(t, err)
		must(t, c.(*net.TCPConn).SetLinger(0))
		must(t, c.Close())
	}
	client := http.Client{Transport: &http.Transport{DialContext: l.DialContext}}
	defer client.CloseIdleConnections()
	answer, err := client.Get("http://" + listener.Addr().String())
	must(t, err)
	text, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || !strings.HasPrefix(string(text), "127.0.0.1:") {
		t.Fatalf("%q, %v", text, err)
	}
	must(t, listener.Close())
	wants(t, <-served, net.ErrClosed)
}

func TestTLSAndFilesOverHTTP(t *testing.T) {
	l := serving(t)
	listener := listening(t, l)
	folder := t.TempDir()
	big := pattern(3<<20, 1)
	must(t, os.WriteFile(filepath.Join(folder, "big"), big, 0o600))
	go http.Serve(listener, http.FileServer(http.Dir(folder)))
	client := http.Client{Transport: &http.Transport{DialContext: l.DialContext}}
	defer client.CloseIdleConnections()
	for i := 0; i < 3; i++ {
		answer, err := client.Get("http://" + listener.Addr().String() + "/big")
		must(t, err)
		got, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !bytes.Equal(got, big) {
			t.Fatal(len(got), err)
		}
	}

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	about := &x509.Certificate{SerialNumber: big1, DNSNames: []string{"here"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	must(t, err)
	own, err := x509.ParseCertificate(der)
	must(t, err)
	trusted := x509.NewCertPool()
	trusted.AddCert(own)
	a, b := connected(t, l, l)
	here := tls.Client(a, &tls.Config{RootCAs: trusted, ServerName: "here"})
	there := tls.Server(b, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	done := make(chan error)
	go func() { _, err := io.Copy(there, there); there.CloseWrite(); done <- err }()
	go here.Write(big)
	got := make([]byte, len(big))
	if _, err := io.ReadFull(here, got); err != nil || !bytes.Equal(got, big) {
		t.Fatal(err)
	}
	must(t, here.CloseWrite())
	must(t, <-done)
}

var big1 = big.NewInt(1)

func TestDial(t *testing.T) {
	l := serving(t)
	listener := listening(t, l)
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	c, err := l.Dial("tcp4", net.JoinHostPort("localhost", port)) // a name
	must(t, err)
	must(t, c.Close())
	must(t, listener.Close())
	_, err = l.Dial("tcp", listener.Addr().String())
	wants(t, err, ErrRefused)
	if runtime.GOOS != "windows" { // there Go has numbers of its own
		wants(t, err, syscall.ECONNREFUSED)
	}
	var failed *net.OpError
	if !errors.As(err, &failed) || failed.Op != "dial" || failed.Addr.String() != listener.Addr().String() {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = l.DialContext(ctx, "tcp", "127.0.0.1:1")
	wants(t, err, context.Canceled)
	_, err = l.DialContext(nil, "tcp", "127.0.0.1:1") //nolint:staticcheck
	wants(t, err, ErrInvalid)
	var unknown net.UnknownNetworkError
	if _, err = l.Dial("udp", "127.0.0.1:1"); !errors.As(err, &unknown) {
		t.Fatal(err)
	}
	var dns *net.DNSError
	if _, err = l.Dial("tcp", "nobody.invalid:1"); !errors.As(err, &dns) {
		t.Fatal(err)
	}
	if _, err = l.Dial("tcp", "no port"); err == nil {
		t.Fatal("no error")
	}
	_, err = l.Listen("tcp", "192.0.2.1:0")
	wants(t, err, ErrAddressUnavailable)
}

// A connection that nobody answers: the listener's queue is full.
func TestAContextEndsADial(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("gate backlog: a full queue refuses elsewhere")
	}
	l := serving(t)
	h, err := SocketTCPListen("127.0.0.1", 0, 1)
	must(t, err)
	defer SocketClose(h)
	at, err := SocketLocalAddress(h)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ends := make(chan error, 8)
	for i := 0; i < 8; i++ { // some are connected, the others never will be
		go func() {
			c, err := l.DialContext(ctx, "tcp", at.String())
			if err == nil {
				err = c.Close()
			}
			ends <- err
		}()
	}
	inFlight(t, l, 1)
	late, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	_, err = l.DialContext(late, "tcp", at.String())
	wants(t, err, context.DeadlineExceeded)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatal(err)
	}
	cancel()
	for i := 0; i < 8; i++ {
		if err := <-ends; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func TestFilesAreSent(t *testing.T) {
	l := serving(t)
	const size = 5<<20 + 11
	for name, send := range map[string]func(c *Conn) (int64, error){
		"section": func(c *Conn) (int64, error) {
			return io.Copy(c, somefile(t, l, size).Section(0, size))
		},
		"section, too long": func(c *Conn) (int64, error) {
			return io.Copy(c, somefile(t, l, size).Section(0, size+1000))
		},
		"the middle of a section": func(c *Conn) (int64, error) {
			s := somefile(t, l, size+7).Section(0, size+7)
			b := make([]byte, 100)
			if _, err := s.Seek(100, io.SeekStart); err != nil {
				return 0, err
			}
			if n, err := s.ReadAt(b, 0); n != 100 || err != nil { // which does not move it
				return 0, err
			}
			if _, err := c.Write(b); err != nil {
				return 0, err
			}
			n, err := io.CopyN(c, s, size-100)
			if at, _ := s.Seek(0, io.SeekCurrent); at != size {
				t.Error("it stands at", at)
			}
			return n + 100, err
		},
		"part of a section": func(c *Conn) (int64, error) {
			s := somefile(t, l, size+7).Section(0, size+7)
			n, err := io.CopyN(c, s, size)
			if rest, _ := io.ReadAll(s); len(rest) != 7 {
				t.Error(len(rest), "bytes are left")
			}
			return n, err
		},
		"os.File": func(c *Conn) (int64, error) {
			f, err := os.Open(somepath(t, size))
			must(t, err)
			defer f.Close()
			return io.Copy(c, f)
		},
		"part of an os.File": func(c *Conn) (int64, error) {
			f, err := os.Open(somepath(t, size+7))
			must(t, err)
			defer f.Close()
			b := make([]byte, 100)
			_, err = io.ReadFull(f, b)
			must(t, err)
			if _, err = c.Write(b); err != nil {
				return 0, err
			}
			n, err := io.CopyN(c, f, size-100)
			if rest, _ := io.ReadAll(f); len(rest) != 7 {
				t.Error(len(rest), "bytes are left")
			}
			return n + 100, err
		},
		"a small one": func(c *Conn) (int64, error) {
			f, err := os.Open(somepath(t, 100))
			must(t, err)
			defer f.Close()
			n, err := io.Copy(c, f)
			return n, err
		},
		"something else": func(c *Conn) (int64, error) {
			return io.Copy(c, struct{ io.Reader }{bytes.NewReader(pattern(size, 0))})
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := connected(t, l, l)
			var sent int64
			done := make(chan error)
			go func() {
				var err error
				sent, err = send(a)
				a.Close()
				done <- err
			}()
			var got bytes.Buffer
			n, err := io.Copy(&got, b) // WriteTo
			must(t, err)
			must(t, <-done)
			if n != sent || !bytes.Equal(got.Bytes(), pattern(int(n), 0)) || n != size && n != 100 {
				t.Fatal(n, sent)
			}
		})
	}
}

func TestSendingAFileEndsWithItsDeadlineAndConnection(t *testing.T) {
	l := serving(t)
	const size = 64 << 20
	f := somefile(t, l, size)
	a, _ := connected(t, l, l)
	must(t, a.SetWriteDeadline(time.Now().Add(20*time.Millisecond)))
	n, err := io.Copy(a, f.Section(0, size))
	wants(t, err, os.ErrDeadlineExceeded)
	if n == size {
		t.Fatal(n)
	}
	c, d := connected(t, l, l)
	done := make(chan error)
	go func() { _, err := io.Copy(c, f.Section(0, size)); done <- err }()
	inFlight(t, l, 1)
	must(t, c.Close())
	wants(t, <-done, net.ErrClosed)
	d.Close()
}

// 100,000 reads whose deadline comes while a byte does: each ends once, and no byte is lost.
func TestEndsAgainstCompletions(t *testing.T) {
	rounds := 100_000
	if testing.Short() {
		rounds = 3000
	}
	l := serving(t)
	a, b := connected(t, l, l)
	start := make(chan struct{})
	done := make(chan error)
	go func() {
		letter := []byte("x")
		for range start {
			if _, err := b.Write(letter); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	got, ended, letter := 0, 0, make([]byte, 1)
	for i := 0; i < rounds; i++ {
		must(t, a.SetReadDeadline(time.Time{}))
		start <- struct{}{}
		if i%2 == 0 {
			go a.SetReadDeadline(time.Now())
		} else {
			must(t, a.SetReadDeadline(time.Now()))
		}
		n, err := a.Read(letter)
		got += n
		if err != nil {
			wants(t, err, os.ErrDeadlineExceeded)
			ended++
		}
	}
	close(start)
	must(t, <-done)
	until(t, "all bytes have come", func() bool {
		a.SetReadDeadline(time.Time{})
		for got < rounds {
			n, err := a.Read(make([]byte, 100))
			got += n
			if err != nil {
				return false // a late one of the goroutines
			}
		}
		return true
	})
	if got != rounds || ended == 0 {
		t.Fatal(got, "bytes,", ended, "ends")
	}
}

// Two loops close each other's connections, while both read and write them.
func TestTwoLoopsCloseEachOthersConnections(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	one, two := serving(t), serving(t)
	listener := listening(t, two)
	for i := 0; i < rounds; i++ {
		out, err := one.Dial("tcp", listener.Addr().String())
		must(t, err)
		in, err := listener.Accept()
		must(t, err)
		var all sync.WaitGroup
		for _, f := range []func(){
			func() { io.Copy(in, in) }, func() { io.Copy(io.Discard, out) },
			func() { out.Write(make([]byte, 1000)) },
			func() { in.Close() }, func() { out.Close() },
		} {
			f := f
			all.Add(1)
			go func() { f(); all.Done() }()
		}
		all.Wait()
	}
}

// Descriptors are used again on purpose: who still names the old one never meets the new one.
func TestNobodyMeetsTheNextOwnerOfANumber(t *testing.T) {
	rounds := 2000
	if testing.Short() {
		rounds = 200
	}
	l := serving(t)
	listener := listening(t, l)
	f := somefile(t, l, 10)
	for i := 0; i < rounds; i++ {
		d, err := l.Dial("tcp", listener.Addr().String())
		must(t, err)
		c := d.(*Conn)
		peer, err := listener.AcceptConn()
		must(t, err)
		var users sync.WaitGroup
		for _, use := range []func() error{
			func() error { _, err := c.Write([]byte("old")); return err },
			func() error { _, err := c.Read(make([]byte, 1)); return err },
			func() error { return c.CloseWrite() },
			func() error { return c.SetNoDelay(true) },
			func() error { return c.SetReadDeadline(time.Now()) },
			func() error { _, err := c.ReadFrom(f.Section(0, 10)); return err },
		} {
			use := use
			users.Add(1)
			go func() {
				defer users.Done()
				for j := 0; j < 20; j++ {
					if err := use(); errors.Is(err, net.ErrClosed) {
						return
					}
				}
			}()
		}
		must(t, c.Close())
		e, err := l.Dial("tcp", listener.Addr().String()) // has the number, as a rule
		must(t, err)
		next, err := listener.AcceptConn()
		must(t, err)
		users.Wait()
		_, err = e.Write([]byte("new"))
		must(t, err)
		must(t, e.(*Conn).CloseWrite())
		got, err := io.ReadAll(next)
		if string(got) != "new" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		must(t, next.Close())
		must(t, e.Close())
		must(t, peer.Close())
	}
}

// connecting accepts a connection and closes it.
func connecting(l net.Listener, port int) func() error {
	return func() error {
		h, err := SocketTCPConnect("127.0.0.1", port)
		if err != nil {
			return err
		}
		defer SocketClose(h)
		c, err := l.Accept()
		if err != nil {
			return err
		}
		return c.Close()
	}
}

func TestTheSteadyStateCostsNoMemory(t *testing.T) {
	l := serving(t)
	netListener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer netListener.Close()
	netConnect := connecting(netListener, netListener.Addr().(*net.TCPAddr).Port)
	ofNet := testing.AllocsPerRun(200, func() { must(t, netConnect()) })
	a, b := connected(t, l, l)
	listener := listening(t, l)
	f := somefile(t, l, 4096)
	letters, page := []byte("hello"), make([]byte, 4096)
	ctx := context.Background()
	echo := make(chan struct{})
	go func() {
		defer close(echo)
		for {
			n, err := b.Read(page[:100])
			if err != nil {
				return
			}
			b.Write(page[:n])
		}
	}()
	hour := time.Now().Add(time.Hour)
	for name, row := range map[string]struct {
		most float64
		call func() error
	}{
		"read and write": {0, func() error {
			if _, err := a.Write(letters); err != nil {
				return err
			}
			_, err := io.ReadFull(a, letters) // waits, as a rule
			return err
		}},
		"deadline": {0, func() error { return a.SetDeadline(hour) }},
		"file":     {0, func() error { _, err := f.ReadAt(ctx, page[1000:], 0); return err }},
		"file, through a buffer": {0, func() error {
			_, err := f.WriteAt(ctx, page[1000:1010], 0)
			return err
		}},
		// A connection is made: not more than of package net's.
		"accept": {ofNet, connecting(listener, listener.local.Port)},
	} {
		var failed error
		row.call()
		allocations := testing.AllocsPerRun(200, func() {
			if err := row.call(); err != nil {
				failed = err
			}
		})
		must(t, failed)
		if allocations > row.most && !raceDetector {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
	must(t, a.Close())
	<-echo
}

// A connection that is dropped with something pending goes on; one without is closed.
func TestDroppedConnectionsAreClosed(t *testing.T) {
	l := serving(t)
	listener := listening(t, l)
	connect := func() (dropped, kept net.Conn) {
		dropped, err := l.Dial("tcp", listener.Addr().String())
		must(t, err)
		kept, err = listener.Accept()
		must(t, err)
		return dropped, kept
	}
	_, kept := connect()
	ended := make(chan error)
	go func() { _, err := kept.Read(make([]byte, 1)); ended <- err }()
	collected(t, "the connection is closed", func() bool {
		select {
		case err := <-ended:
			wants(t, err, io.EOF)
			return true
		default:
			return false
		}
	})

	dropped, kept := connect()
	const size = 32 << 20
	done := make(chan error)
	go func(c net.Conn) { _, err := c.Write(make([]byte, size)); done <- err }(dropped) // its last use
	dropped = nil
	var got int64
	for b := make([]byte, 1<<20); got < size; {
		runtime.GC()
		n, err := kept.Read(b)
		got += int64(n)
		must(t, err)
	}
	must(t, <-done)
	collected(t, "... and then closed", func() bool {
		kept.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := kept.Read(make([]byte, 1))
		return err == io.EOF
	})
}

func TestDroppedLoopsEnd(t *testing.T) {
	before := live.Load()
	for i := 0; i < 20; i++ {
		l, err := NewLoop()
		must(t, err)
		listener, err := l.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		_, err = l.OpenFile(somepath(t, 1))
		must(t, err)
		_, err = net.Dial("tcp", listener.Addr().String())
		must(t, err)
		_, err = listener.Accept()
		must(t, err)
	}
	collected(t, "loops end", func() bool { return live.Load() <= before })
}

// A listener that accepts is held by who waits for it, and so is its loop.
func TestAnAcceptKeepsItsLoop(t *testing.T) {
	accepted := make(chan error)
	address := func() string {
		l, err := NewLoop()
		must(t, err)
		listener, err := l.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		go func() {
			c, err := listener.Accept()
			if err == nil {
				_, err = io.Copy(io.Discard, c)
			}
			accepted <- err
		}()
		inFlight(t, l, 1)
		return listener.Addr().String()
	}()
	for i := 0; i < 10; i++ {
		runtime.GC()
	}
	c, err := net.Dial("tcp", address)
	must(t, err)
	for i := 0; i < 10; i++ {
		runtime.GC()
	}
	must(t, c.Close())
	must(t, <-accepted)
}

// Many clients of package net at once, with a collector that has no rest.
func TestManyConnectionsEcho(t *testing.T) {
	l := serving(t)
	listener := listening(t, l)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	var clients sync.WaitGroup
	var busy atomic.Bool
	busy.Store(true)
	collector := make(chan struct{})
	go func() {
		for busy.Load() {
			runtime.GC()
		}
		close(collector)
	}()
	failed := make(chan error, 50)
	for i := 0; i < 50; i++ {
		i := i
		clients.Add(1)
		go func() {
			defer clients.Done()
			c, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				failed <- err
				return
			}
			defer c.Close()
			for j := 0; j < 20; j++ {
				sent, got := pattern(1000+j, i), make([]byte, 1000+j)
				c.Write(sent)
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(sent, got) {
					failed <- fmt.Errorf("round %d: %w", j, err)
					return
				}
			}
		}()
	}
	clients.Wait()
	busy.Store(false)
	<-collector
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
}

func TestASleepEndsInTimeOrWithItsContextOrLoop(t *testing.T) {
	l := serving(t)
	for _, d := range []time.Duration{-time.Second, 0, 5 * time.Millisecond} {
		began := Now()
		must(t, l.Sleep(context.Background(), d))
		if took := Now() - began; took < int64(d) {
			t.Fatal(d, took)
		}
	}
	if err := l.Sleep(nil, time.Hour); !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
	sleep := func(ctx context.Context) chan error {
		ended := make(chan error)
		go func() { ended <- l.Sleep(ctx, time.Hour) }()
		for s, _ := l.Stats(); s.IOInFlight == 0; s, _ = l.Stats() {
			runtime.Gosched()
		}
		return ended
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := sleep(ctx)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := l.Sleep(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	ended = sleep(context.Background())
	must(t, l.Close())
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
}
