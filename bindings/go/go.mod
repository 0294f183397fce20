// SPDX-License-Identifier: MIT

module github.com/evpoll/evpoll/bindings/go

go 1.19
