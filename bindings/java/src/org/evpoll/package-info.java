// SPDX-License-Identifier: MIT
/**
 * Sockets, files and timers in one wait. {@link org.evpoll.EventLoop} owns a thread; what lives on
 * it are {@link org.evpoll.TcpListener}, {@link org.evpoll.TcpStream}, {@link
 * org.evpoll.AsyncFile}, {@link org.evpoll.Descriptor} and {@link org.evpoll.Timer}. Below it,
 * {@link org.evpoll.Poller} is the library's own interface made safe. {@code bindings/SEMANTICS.md}
 * says what holds for all.
 */
package org.evpoll;
