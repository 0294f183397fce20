// SPDX-License-Identifier: MIT
package org.evpoll.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The raw layer: which file a system needs, and the functions that no other layer has. */
class PlatformTest {
  @Test
  void muslIsSeenInTheProcesssMaps() {
    assertTrue(NativeLibrary.isMusl(Stream.of("7f00-7f01 r--p 0 0:0 1 /usr/bin/java",
        "7f10-7f11 r-xp 0 0:0 2 /lib/ld-musl-x86_64.so.1")));
    assertFalse(NativeLibrary.isMusl(Stream.of("7f10-7f11 r-xp 0 0:0 2 /lib64/libc.so.6",
        "7f10-7f11 r-xp 0 0:0 2 /home/musl/app.so")));
    assertEquals("linux-x64", NativeLibrary.platform());
  }

  @Test
  void copiesThatEndedProcessesHaveLeftAreSwept(@TempDir Path folder) throws Exception {
    Files.createFile(folder.resolve("evpoll-123-libevpoll_jni.so"));
    Files.createFile(folder.resolve("evpoll-serve"));
    NativeLibrary.sweep(folder);
    try (Stream<Path> left = Files.list(folder)) {
      assertEquals(List.of(folder.resolve("evpoll-serve")), left.toList());
    }
  }

  @Test
  void versionsMustFit() {
    NativeLibrary.requireVersion(0x010000, "x");
    NativeLibrary.requireVersion(0x010500, "x");
    for (int version : new int[] {0, 0x00FFFF, 0x020000})
      assertThrows(UnsatisfiedLinkError.class, () -> NativeLibrary.requireVersion(version, "x"));
    assertEquals(NativeConstants.EVPOLL_VERSION, Native.evpoll_version());
    assertEquals("1.0.0", Native.evpoll_version_string());
  }

  @Test
  void theLibrarysOwnBuffersAreReachable() {
    long[] buffer = new long[1];
    assertEquals(0, Native.evpoll_buffer_alloc(10_000, 0, buffer));
    assertEquals(0, buffer[0] % 4096);
    assertEquals(0, Native.evpoll_buffer_free(buffer[0]));
    long refused = Native.evpoll_buffer_alloc(0, 3, buffer);
    assertEquals(NativeConstants.EVPOLL_ERR_INVALID, (int) (refused >> 32));
  }

  @Test
  void aFailureHasTheSystemsCodeInTheSameAnswer() {
    long answer = Native.evpoll_socket_close(-1);
    assertEquals(NativeConstants.EVPOLL_ERR_BAD_HANDLE, (int) (answer >> 32));
    answer = Native.evpoll_socket_close(1_000_000);
    assertEquals(NativeConstants.EVPOLL_ERR_BAD_HANDLE, (int) (answer >> 32));
    assertEquals(9, (int) answer); // EBADF
    assertEquals(9, Native.evpoll_os_error());
    assertEquals("cancelled", Native.evpoll_strerror(NativeConstants.EVPOLL_ERR_CANCELLED));
  }

  @Test
  void nothingIsAtTheAddressOfAHeapBuffer() {
    assertEquals(0, Native.evp_address(java.nio.ByteBuffer.allocate(8)));
    assertEquals(0, Native.evp_address(null));
    long answer = Native.evp_recv_at(0, null, 8, 1);
    assertEquals(NativeConstants.EVPOLL_ERR_INVALID, (int) (answer >> 32));
  }
}
