// SPDX-License-Identifier: MIT
package org.evpoll.internal;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * Finds the native library, once for each class loader: a file that the property org.evpoll.library
 * names, or else the one for this system in META-INF/native of the jar, which is copied to a folder
 * first. The copy's name has the hash of its content, so that versions do not meet, and it gets
 * that name by a rename, so that nobody loads half of it.
 */
public final class NativeLibrary {
  /** Names a library file to load instead of the jar's. */
  public static final String LIBRARY = "org.evpoll.library";
  /** Names the folder that the jar's library is copied to. */
  public static final String FOLDER = "org.evpoll.nativeFolder";

  private static boolean loaded;
  private static String failure;

  private NativeLibrary() {}

  /** Loads the library unless it is there already; a failure is the same for everybody. */
  public static synchronized void load() {
    if (loaded) return;
    if (failure != null) throw new UnsatisfiedLinkError(failure);
    try {
      load(find());
      loaded = true;
    } catch (UnsatisfiedLinkError e) {
      failure = e.getMessage();
      throw e;
    }
  }

  private static void load(Path path) {
    try {
      try {
        System.load(path.toString());
      } catch (UnsatisfiedLinkError e) {
        String why = String.valueOf(e.getMessage());
        if (!why.contains("already loaded in another classloader")) throw e;
        loadCopy(path); // a file is one class loader's
      }
    } catch (UnsatisfiedLinkError | IOException e) {
      throw new UnsatisfiedLinkError("evpoll: cannot load " + path + ": " + e.getMessage()
          + " (the property " + FOLDER + " names another folder, for one that is mounted noexec)");
    } catch (RuntimeException e) { // IllegalCallerException
      throw new UnsatisfiedLinkError("evpoll: this Java lets only modules load a library that were "
          + "named: --enable-native-access=org.evpoll, or ALL-UNNAMED on the class path: " + e);
    }
    requireVersion(NativeJNI.evpoll_version(), path.toString());
  }

  private static void loadCopy(Path path) throws IOException {
    makeFolder(folder());
    Path copy = Files.createTempFile(folder(), "own-", "-" + fileName());
    Files.copy(path, copy, StandardCopyOption.REPLACE_EXISTING);
    System.load(copy.toString());
    if (windows()) copy.toFile().deleteOnExit();
    else Files.delete(copy);
  }

  static void requireVersion(int have, String path) {
    int want = NativeConstants.EVPOLL_VERSION;
    if (have >> 16 == want >> 16 && have >= want) return;
    throw new UnsatisfiedLinkError("evpoll: " + path + " is version " + text(have)
        + ", and these classes need " + (want >> 16) + ".x from " + text(want) + " on");
  }

  private static String text(int version) {
    return (version >> 16) + "." + (version >> 8 & 255) + "." + (version & 255);
  }

  private static Path find() {
    String named = System.getProperty(LIBRARY);
    if (named != null) {
      Path path = Path.of(named).toAbsolutePath();
      if (Files.isRegularFile(path)) return path;
      throw new UnsatisfiedLinkError("evpoll: there is no " + path + ", which the property "
          + LIBRARY + " names");
    }
    String resource = "/META-INF/native/" + platform() + "/" + fileName();
    try (InputStream in = NativeLibrary.class.getResourceAsStream(resource)) {
      if (in != null) return extract(in.readAllBytes(), folder());
    } catch (IOException e) {
      throw new UnsatisfiedLinkError("evpoll: cannot copy " + resource + " to " + folder()
          + " (the property " + FOLDER + " names another folder): " + e);
    }
    throw new UnsatisfiedLinkError("evpoll: no native library for this system: looked for "
        + resource + " beside these classes, and the property " + LIBRARY + " names no file");
  }

  private static Path folder() {
    String named = System.getProperty(FOLDER);
    if (named != null) return Path.of(named).toAbsolutePath();
    String own = "evpoll-" + System.getProperty("user.name");
    return Path.of(System.getProperty("java.io.tmpdir"), own).toAbsolutePath();
  }

  /** The folder is the user's own: in one of another's the file could be exchanged. */
  private static void makeFolder(Path folder) throws IOException {
    boolean posix = folder.getFileSystem().supportedFileAttributeViews().contains("posix");
    if (!posix || System.getProperty(FOLDER) != null) {
      Files.createDirectories(folder);
      return;
    }
    try {
      Files.createDirectory(folder,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    } catch (FileAlreadyExistsException e) {
      Object mode = Files.getAttribute(folder, "unix:mode", LinkOption.NOFOLLOW_LINKS);
      Object owner = Files.getAttribute(folder, "unix:uid", LinkOption.NOFOLLOW_LINKS);
      Path own = Files.createTempFile("evpoll", null);
      Object self = Files.getAttribute(own, "unix:uid");
      Files.delete(own);
      if (!owner.equals(self) || ((Integer) mode & 0170022) != 0040000)
        throw new IOException("it is another user's, or others may write to it");
    }
  }

  /** A file that is there already is compared before it is loaded. */
  static Path extract(byte[] content, Path folder) throws IOException {
    makeFolder(folder);
    String name = fileName();
    int dot = name.lastIndexOf('.');
    Path target = folder.resolve(
        name.substring(0, dot) + "-" + hash(content) + name.substring(dot));
    if (Files.isRegularFile(target, LinkOption.NOFOLLOW_LINKS)
        && Arrays.equals(Files.readAllBytes(target), content)) return target;
    Path fresh = Files.createTempFile(folder, "new-", ".tmp");
    try {
      Files.write(fresh, content);
      Files.move(fresh, target, StandardCopyOption.ATOMIC_MOVE,
          StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(fresh);
    }
    return target;
  }

  private static String hash(byte[] content) {
    try {
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(content);
      return HexFormat.of().formatHex(digest, 0, 16);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e); // every Java platform has it
    }
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
