// SPDX-License-Identifier: MIT
/**
 * Readiness of sockets and completion of file operations in one wait.
 *
 * <p>{@link org.evpoll.EventLoop} owns a thread and calls back: {@link org.evpoll.TcpListener},
 * {@link org.evpoll.TcpStream} and {@link org.evpoll.AsyncFile} live on it. Below it,
 * {@link org.evpoll.Poller} is the library's own interface made safe: nothing is allocated in a
 * wait, and a batch is one native call.
 *
 * <p>All I/O takes direct buffers. A buffer belongs to the kernel from the call that starts a file
 * operation until its completion was delivered; it is kept reachable for that long, whatever the
 * program does with it.
 */
package org.evpoll;
