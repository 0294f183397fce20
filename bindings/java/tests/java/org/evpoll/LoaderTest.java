// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How the native library is found, each time in a Java VM of its own. */
class LoaderTest {
  private static final String CLASSES = System.getProperty("org.evpoll.test.classes");
  private static final String JAR = System.getProperty("org.evpoll.test.jar");
  private static final Path NATIVES = Path.of(System.getProperty("org.evpoll.test.natives"));

  @TempDir Path folder;

  /** What the other VM runs. */
  public static final class Main {
    private Main() {}

    /**
     * Opens a poller twice and says how that went.
     *
     * @param args none
     */
    public static void main(String[] args) {
      for (int i = 0; i < 2; i++) {
        try {
          Poller.open().close();
          System.out.println("opened");
        } catch (Exception | LinkageError e) {
          System.out.println(e.getClass().getSimpleName() + " " + e.getMessage());
        }
      }
    }
  }

  private List<String> run(String classes, String... properties) throws Exception {
    String tests = Path.of(
        Main.class.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
    List<String> command = new ArrayList<>(List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx64m",
        "-Djava.io.tmpdir=" + folder));
    command.addAll(List.of(properties));
    command.addAll(List.of("-cp", classes + ":" + tests, Main.class.getName()));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    // The VM has something to say of its own about a file that is no library.
    List<String> lines = new String(process.getInputStream().readAllBytes()).lines()
        .filter(line -> line.equals("opened") || line.contains("Error ")).toList();
    assertEquals(0, process.waitFor(), lines.toString());
    assertEquals(2, lines.size(), lines.toString());
    assertEquals(lines.get(0), lines.get(1));
    return lines;
  }

  private static List<Path> copies(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(file -> file.toString().contains("evpoll")).toList();
    }
  }

  @Test
  void aMissingLibraryNamesWhatWasLookedFor() throws Exception {
    String line = run(CLASSES).get(0);
    assertTrue(line.startsWith("UnsatisfiedLinkError evpoll: no native library"), line);
    assertTrue(line.contains("/META-INF/native/linux-x64/libevpoll_jni.so"), line);
    assertTrue(line.contains("org.evpoll.library"), line);
    line = run(CLASSES, "-Dos.name=Mac OS X", "-Dos.arch=aarch64").get(0);
    assertTrue(line.contains("/META-INF/native/osx-arm64/libevpoll_jni.dylib"), line);
    line = run(CLASSES, "-Dorg.evpoll.library=/nowhere/lib.so").get(0);
    assertTrue(line.startsWith("UnsatisfiedLinkError evpoll: there is no /nowhere/lib.so"), line);
  }

  @Test
  void aLibraryOfAnotherVersionIsRefused() throws Exception {
    Path other = NATIVES.resolve("libevpoll_jni_other.so");
    String line = run(CLASSES, "-Dorg.evpoll.library=" + other).get(0);
    assertTrue(line.startsWith("UnsatisfiedLinkError evpoll: "), line);
    assertTrue(line.contains(other.toString()), line);
    assertTrue(line.contains("2.0.0"), line);
    assertTrue(line.contains("1.0.0"), line);
  }

  @Test
  void aFileThatIsNoLibraryIsNamed() throws Exception {
    Path text = Files.writeString(folder.resolve("text.so"), "no library");
    String line = run(CLASSES, "-Dorg.evpoll.library=" + text).get(0);
    assertTrue(line.contains("cannot load " + text), line);
  }

  @Test
  void aNamedLibraryIsLoaded() throws Exception {
    String line = run(CLASSES,
        "-Dorg.evpoll.library=" + NATIVES.resolve("libevpoll_jni.so")).get(0);
    assertEquals("opened", line);
  }

  @Test
  void ofTheJarsLibraryNothingStaysBehind() throws Exception {
    assertEquals("opened", run(JAR).get(0));
    assertEquals(List.of(), copies(folder));
    Path own = folder.resolve("natives");
    assertEquals("opened", run(JAR, "-Dorg.evpoll.nativeFolder=" + own).get(0));
    assertEquals(List.of(), copies(own));
  }

  @Test
  void aFolderThatTakesNoCopyIsNamed() throws Exception {
    Path file = Files.writeString(folder.resolve("file"), "no folder");
    String line = run(JAR, "-Dorg.evpoll.nativeFolder=" + file).get(0);
    assertTrue(line.startsWith("UnsatisfiedLinkError evpoll: cannot copy"), line);
    assertTrue(line.contains(file.toString()), line);
    assertTrue(line.contains("the property org.evpoll.nativeFolder"), line);
  }

  @Test
  void eachClassLoaderHasALibraryOfItsOwn() throws Exception {
    java.net.URL[] classes = {Path.of(CLASSES).toUri().toURL()};
    for (int i = 0; i < 3; i++) { // this VM has loaded it already
      try (var loader = new java.net.URLClassLoader(classes,
          ClassLoader.getPlatformClassLoader())) {
        Class<?> other = loader.loadClass("org.evpoll.EventLoop");
        assertTrue(other != EventLoop.class);
        try (AutoCloseable loop = (AutoCloseable) other.getMethod("start").invoke(null)) {
          assertEquals(false, other.getMethod("isLoopThread").invoke(loop));
        }
      }
    }
    EventLoop.start().close();
  }

  @Test
  void whereNativeAccessIsDeniedTheMessageNamesTheOption() throws Exception {
    assumeTrue(Runtime.version().feature() >= 24, "gate native-access: this Java allows it to all");
    String library = "-Dorg.evpoll.library=" + NATIVES.resolve("libevpoll_jni.so");
    String line = run(CLASSES, "--illegal-native-access=deny", library).get(0);
    assertTrue(line.contains("--enable-native-access=org.evpoll"), line);
    assertEquals("opened", run(CLASSES, "--illegal-native-access=deny", library,
        "--enable-native-access=ALL-UNNAMED").get(0));
  }
}
