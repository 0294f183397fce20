// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;

/** A file whose syncs last until the test says so; another process serves it. */
final class Held implements AutoCloseable {
  private final Process process;
  private final BufferedReader answers;
  private final PrintStream commands;
  final String path;

  Held() throws IOException {
    process = new ProcessBuilder(System.getProperty("org.evpoll.test.held"))
        .redirectError(ProcessBuilder.Redirect.INHERIT).start();
    answers = new BufferedReader(new InputStreamReader(process.getInputStream()));
    commands = new PrintStream(process.getOutputStream(), true);
    String first = answers.readLine();
    assumeTrue(first.startsWith("file "), "gate fuse: " + first);
    path = first.substring("file ".length());
  }

  /** From now on a sync stays where it is. */
  void hold() throws IOException {
    tell("hold");
  }

  void await(int n) throws IOException {
    tell("await " + n);
  }

  void release() throws IOException {
    tell("release");
  }

  private void tell(String command) throws IOException {
    commands.println(command);
    assertEquals("done", answers.readLine());
  }

  @Override
  public void close() {
    commands.close();
    process.onExit().join();
  }
}
