// SPDX-License-Identifier: MIT
package org.evpoll.examples;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;
import org.evpoll.Status;

/** As much of HTTP/1.1 (RFC 9112) as a static file server needs: text in, text out. */
final class Http {
  static final int MOST_PATH = 1024;

  /**
   * A request.
   *
   * @param status 200: serve it; else the status to refuse it with
   * @param headOnly the response has no body
   * @param keepAlive the connection can carry another request afterwards
   * @param path decoded, relative, without dot segments
   */
  record Request(int status, boolean headOnly, boolean keepAlive, String path) {}

  private static final Map<Integer, String> REASONS = Map.of(200, "OK", 400, "Bad Request",
      403, "Forbidden", 404, "Not Found", 405, "Method Not Allowed", 414, "URI Too Long",
      431, "Request Header Fields Too Large", 503, "Service Unavailable",
      505, "HTTP Version Not Supported");
  private static final Map<String, String> TYPES = Map.ofEntries(
      Map.entry("html", "text/html; charset=utf-8"), Map.entry("css", "text/css; charset=utf-8"),
      Map.entry("js", "text/javascript"), Map.entry("json", "application/json"),
      Map.entry("txt", "text/plain; charset=utf-8"), Map.entry("md", "text/plain; charset=utf-8"),
      Map.entry("c", "text/plain; charset=utf-8"), Map.entry("h", "text/plain; charset=utf-8"),
      Map.entry("svg", "image/svg+xml"), Map.entry("png", "image/png"),
      Map.entry("jpg", "image/jpeg"), Map.entry("gif", "image/gif"),
      Map.entry("pdf", "application/pdf"), Map.entry("wasm", "application/wasm"));
  private static final DateTimeFormatter DATE =
      DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss 'GMT'", Locale.ROOT);

  private final String text;
  private int at;
  private int minor;
  private boolean headOnly;
  private boolean close;
  private boolean keepAlive;
  private boolean body;
  private int hosts;
  private String path = "";

  private Http(String text) {
    this.text = text;
  }

  /** Takes out the first request; null if it is not complete yet. */
  static Request parse(ByteBuffer bytes) {
    Http http = new Http(
        new String(bytes.array(), 0, bytes.position(), StandardCharsets.ISO_8859_1));
    Request request = http.request();
    if (request != null) bytes.flip().position(http.at).compact();
    else if (!bytes.hasRemaining())
      return new Request(http.text.indexOf('\n') < 0 ? 414 : 431, false, false, "");
    return request;
  }

  private Request request() {
    String line;
    do {
      line = line();
      if (line == null) return null;
    } while (line.isEmpty()); // empty lines before a request are to be ignored
    int refused = requestLine(line);
    for (;;) {
      line = line();
      if (line == null) return null;
      if (line.isEmpty()) break;
      if (!header(line)) refused = 400;
    }
    if (refused == 0 && minor == 1 && hosts != 1) refused = 400;
    // A malformed request may not end where it seems to, and a body would have to be read first:
    // what comes after either is not taken for a request.
    boolean stays = (minor == 1 || keepAlive) && !close && !body && refused != 400
        && refused != 505;
    return new Request(refused == 0 ? 200 : refused, headOnly, stays, path);
  }

  private String line() {
    int end = text.indexOf('\n', at);
    if (end < 0) return null;
    String line = text.substring(at, end > at && text.charAt(end - 1) == '\r' ? end - 1 : end);
    at = end + 1;
    return line;
  }

  private int requestLine(String line) {
    if (hasControl(line)) return 400;
    String[] parts = line.split(" ", 3);
    if (!isToken(parts[0])) return 400;
    String version = parts.length == 3 ? parts[2] : "";
    if (!version.equals("HTTP/1.1") && !version.equals("HTTP/1.0"))
      return version.length() == 8 && version.startsWith("HTTP/") ? 505 : 400;
    minor = version.charAt(7) - '0';
    headOnly = parts[0].equals("HEAD");
    return headOnly || parts[0].equals("GET") ? target(parts[1]) : 405;
  }

  private boolean header(String line) {
    int colon = line.indexOf(':');
    if (colon < 0 || !isToken(line.substring(0, colon))) return false;
    String value = line.substring(colon + 1);
    if (hasControl(value)) return false;
    switch (lower(line.substring(0, colon))) {
      case "host" -> hosts++;
      case "transfer-encoding" -> body = true;
      case "content-length" -> body |= !trim(value).equals("0");
      case "connection" -> {
        for (String option : value.split(",")) {
          close |= lower(trim(option)).equals("close");
          keepAlive |= lower(trim(option)).equals("keep-alive");
        }
      }
      default -> { }
    }
    return true;
  }

  /** "/a/b?c" becomes "a/b". Decoding comes before the look for dots, so that "%2e%2e" is seen. */
  private int target(String target) {
    if (target.length() > 7 && lower(target.substring(0, 7)).equals("http://")) {
      int slash = target.indexOf('/', 7);
      if (slash < 0) return 400;
      target = target.substring(slash);
    }
    int query = target.indexOf('?');
    if (query >= 0) target = target.substring(0, query);
    if (!target.startsWith("/")) return 400;
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (int i = 1; i < target.length(); i++) {
      int c = target.charAt(i);
      if (c == '%') {
        int high = i + 2 < target.length() ? Character.digit(target.charAt(i + 1), 16) : -1;
        int low = high >= 0 ? Character.digit(target.charAt(i + 2), 16) : -1;
        if (low < 0) return 400;
        c = high * 16 + low;
        i += 2;
      }
      // A zero would cut the path; to Windows a backslash separates folders, and a colon names a
      // drive or a stream. Refused everywhere, so that no file is served on one system only.
      if (c < ' ' || c == 127 || c == '\\' || c == ':') return 400;
      if (bytes.size() == MOST_PATH - "index.html".length() - 1) return 414;
      bytes.write(c);
    }
    path = bytes.toString(StandardCharsets.UTF_8);
    // ".." would leave the folder, and hidden files are nobody's business: neither exists here. An
    // empty segment ("//etc") would make the path absolute, or a share on Windows.
    if (path.startsWith(".") || path.startsWith("/") || path.contains("/.") || path.contains("//"))
      return 404;
    if (path.isEmpty() || path.endsWith("/")) path += "index.html";
    return 0;
  }

  private static boolean isToken(String word) {
    return !word.isEmpty()
        && word.chars().allMatch(c -> c > ' ' && c <= '~' && "\"(),/:;<=>?@[\\]{}".indexOf(c) < 0);
  }

  private static boolean hasControl(String text) {
    return text.chars().anyMatch(c -> c < ' ' && c != '\t' || c == 127);
  }

  private static String lower(String text) {
    return text.toLowerCase(Locale.ROOT);
  }

  private static String trim(String text) {
    return text.replaceAll("^[ \t]+|[ \t]+$", "");
  }

  // ---- the response -------------------------------------------------------------------------

  /** What a file that could not be opened is answered with. */
  static int status(Status status) {
    return switch (status) {
      case NOT_FOUND, INVALID, UNSUPPORTED -> 404;
      case ACCESS -> 403;
      case LIMIT, NO_MEMORY -> 503;
      default -> 500;
    };
  }

  private static String contentType(String path) {
    String ending = path.substring(path.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    String type = path.indexOf('.') < 0 ? null : TYPES.get(ending);
    return type == null ? "application/octet-stream" : type;
  }

  /** The head, and the body of a refusal. */
  static byte[] head(int status, Request request, long size, boolean keepAlive) {
    String said = status + " " + REASONS.getOrDefault(status, "Internal Server Error");
    String body = status == 200 ? "" : said + "\n";
    return ("HTTP/1.1 " + said + "\r\nDate: " + DATE.format(ZonedDateTime.now(ZoneOffset.UTC))
        + "\r\nContent-Type: " + contentType(status == 200 ? request.path() : ".txt")
        + "\r\nContent-Length: " + (status == 200 ? size : body.length())
        + "\r\nX-Content-Type-Options: nosniff\r\n"
        + (status == 405 ? "Allow: GET, HEAD\r\n" : "")
        + (keepAlive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n")
        + (request.headOnly() ? "" : body)).getBytes(StandardCharsets.ISO_8859_1);
  }
}
