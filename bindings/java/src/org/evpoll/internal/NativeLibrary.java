// SPDX-License-Identifier: MIT
package org.evpoll.internal;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * Finds the native library, once for each class loader: a file that the property org.evpoll.library
 * names, or else the one for this system in META-INF/native of the jar. What is loaded from the jar
 * is a copy that only this process knows, in the folder for temporary files: it is deleted when it
 * was loaded, or, where that cannot be (Windows), by whoever loads one after the process has ended.
 */
public final class NativeLibrary {
  /** Names a library file to load instead of the jar's. */
  public static final String LIBRARY = "org.evpoll.library";
  /** Names the folder that the jar's library is copied to for a moment. */
  public static final String FOLDER = "org.evpoll.nativeFolder";

  private static boolean loaded;
  private static String failure;

  private NativeLibrary() {}

  /** Loads the library unless it is there already; a failure is the same for everybody. */
  public static synchronized void load() {
    if (loaded) return;
    try {
      if (failure == null) find();
    } catch (IOException e) {
      failure = "cannot read the native library: " + e;
    } catch (UnsatisfiedLinkError e) {
      failure = e.getMessage();
    }
    if (failure != null) throw new UnsatisfiedLinkError("evpoll: " + failure);
    loaded = true;
  }

  private static void find() throws IOException {
    String named = System.getProperty(LIBRARY);
    if (named != null) {
      loadNamed(Path.of(named).toAbsolutePath());
      return;
    }
    String resource = "/META-INF/native/" + platform() + "/" + fileName();
    try (InputStream in = NativeLibrary.class.getResourceAsStream(resource)) {
      if (in == null)
        throw new UnsatisfiedLinkError("no native library for this system: looked for " + resource
            + " beside these classes, and the property " + LIBRARY + " names no file");
      loadCopy(in.readAllBytes());
    }
  }

  private static void loadNamed(Path path) throws IOException {
    if (!Files.isRegularFile(path))
      throw new UnsatisfiedLinkError("there is no " + path + ", which " + LIBRARY + " names");
    try {
      load(path);
    } catch (UnsatisfiedLinkError e) {
      if (!e.getMessage().contains("already loaded in another classloader")) throw e;
      loadCopy(Files.readAllBytes(path)); // a file is one class loader's
    }
  }

  private static void loadCopy(byte[] content) {
    Path folder = Path.of(System.getProperty(FOLDER, System.getProperty("java.io.tmpdir")));
    Path copy;
    try {
      Files.createDirectories(folder);
      if (windows()) sweep(folder);
      copy = Files.createTempFile(folder.toAbsolutePath(), "evpoll-", "-" + fileName());
      Files.write(copy, content);
    } catch (IOException e) {
      throw new UnsatisfiedLinkError("cannot copy " + fileName() + " to " + folder
          + " (the property " + FOLDER + " names another folder): " + e);
    }
    try {
      load(copy);
    } finally {
      if (!windows()) copy.toFile().delete();
    }
  }

  private static void load(Path path) {
    try {
      System.load(path.toString());
    } catch (UnsatisfiedLinkError e) {
      throw new UnsatisfiedLinkError("cannot load " + path + ": " + e.getMessage()
          + " (the property " + FOLDER + " names another folder, for one that is mounted noexec)");
    } catch (RuntimeException e) { // IllegalCallerException
      throw new UnsatisfiedLinkError("this Java lets only modules load a library that were named: "
          + "--enable-native-access=org.evpoll, or ALL-UNNAMED on the class path: " + e);
    }
    requireVersion(NativeJNI.evpoll_version(), path.toString());
  }

  /** Deletes what ended processes have left; what is in use cannot be. */
  static void sweep(Path folder) throws IOException {
    try (DirectoryStream<Path> left = Files.newDirectoryStream(folder, "evpoll-*-" + fileName())) {
      for (Path file : left) file.toFile().delete();
    }
  }

  static void requireVersion(int have, String path) {
    int want = NativeConstants.EVPOLL_VERSION;
    if (have >> 16 == want >> 16 && have >= want) return;
    throw new UnsatisfiedLinkError(path + " is version " + text(have)
        + ", and these classes need " + (want >> 16) + ".x from " + text(want) + " on");
  }

  private static String text(int version) {
    return (version >> 16) + "." + (version >> 8 & 255) + "." + (version & 255);
  }

  private static String fileName() {
    if (windows()) return "evpoll_jni.dll";
    return platform().startsWith("osx-") ? "libevpoll_jni.dylib" : "libevpoll_jni.so";
  }

  private static boolean windows() {
    return System.getProperty("os.name").toLowerCase(Locale.ROOT).startsWith("windows");
  }

  /** The name that packages use: linux, linux-musl, win or osx, with -x64 or -arm64. */
  static String platform() {
    String system = System.getProperty("os.name").toLowerCase(Locale.ROOT).replace(" ", "");
    String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    if (windows()) system = "win";
    if (system.equals("macosx")) system = "osx";
    if (system.equals("linux") && musl()) system = "linux-musl";
    if (arch.equals("amd64") || arch.equals("x86_64")) arch = "x64";
    if (arch.equals("aarch64")) arch = "arm64";
    return system + "-" + arch;
  }

  /** Which C library this process runs with is seen in what it has mapped. */
  private static boolean musl() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
      return isMusl(lines);
    } catch (IOException | RuntimeException e) {
      return false;
    }
  }

  static boolean isMusl(Stream<String> maps) {
    return maps.anyMatch(line -> line.contains("/ld-musl-") || line.contains("/libc.musl-"));
  }
}
