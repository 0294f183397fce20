module github.com/evpoll/evpoll/bindings/go/tests/nettest

go 1.19

require (
	github.com/evpoll/evpoll/bindings/go v1.0.0
	golang.org/x/net v0.7.0
)

replace (
	github.com/evpoll/evpoll/bindings/go => ../..
	golang.org/x/net => /usr/share/gocode/src/golang.org/x/net
)
