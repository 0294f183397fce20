// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Text;

namespace FileServer;

/// <summary>As much of HTTP/1.1 (RFC 9112) as a static file server needs. Pure functions over
/// bytes: nothing here knows of sockets, files or evpoll.</summary>
/// <param name="Status">200: serve it; else the status to refuse it with</param>
/// <param name="HeadOnly">HEAD: the response has no body</param>
/// <param name="KeepAlive">the connection can carry another request afterwards</param>
/// <param name="Path">decoded, relative, without dot segments: "docs/index.html"</param>
readonly record struct Request(int Status, bool HeadOnly, bool KeepAlive, string Path) {
    /// <summary>Parses the first request. Malformed ones are complete: their status says what to
    /// answer.</summary>
    /// <returns>the bytes that it takes up, or 0 if it is not complete yet</returns>
    public static int Parse(ReadOnlySpan<byte> bytes, out Request request) {
        request = default;
        ReadOnlySpan<byte> rest = bytes, line;
        do
            if (!TakeLine(ref rest, out line)) return 0;
        while (line.IsEmpty); // empty lines before a request are to be ignored

        int status = ParseRequestLine(line, out bool headOnly, out int minor, out string path);
        int hosts = 0;
        bool close = false, keep = false, body = false, bad = false;
        for (; ; ) {
            if (!TakeLine(ref rest, out line)) return 0;
            if (line.IsEmpty) break;
            int colon = line.IndexOf((byte)':');
            ReadOnlySpan<byte> name = colon < 0 ? default : line[..colon];
            if (!IsToken(name) || HasControl(line)) {
                bad = true;
                continue;
            }
            ReadOnlySpan<byte> value = line[(colon + 1)..].Trim(" \t"u8);
            if (Is(name, "host")) hosts++;
            else if (Is(name, "transfer-encoding")) body = true;
            else if (Is(name, "content-length")) body |= !value.SequenceEqual("0"u8);
            else if (Is(name, "connection"))
                foreach (string option in Encoding.Latin1.GetString(value).Split(',')) {
                    close |= option.Trim().Equals("close", StringComparison.OrdinalIgnoreCase);
                    keep |= option.Trim().Equals("keep-alive", StringComparison.OrdinalIgnoreCase);
                }
        }
        if (bad || status == 200 && minor == 1 && hosts != 1) status = 400;
        // A malformed request may not end where it seems to, and a body would have to be read
        // first: what comes after either is not taken for a request.
        bool stays = (minor == 1 || keep) && !close && !body && status is not (400 or 505);
        request = new(status, headOnly, stays, path);
        return bytes.Length - rest.Length;
    }

    /// <summary>What to answer to a request that does not fit into the buffer.</summary>
    public static Request TooLong(ReadOnlySpan<byte> bytes) =>
        new(bytes.Contains((byte)'\n') ? 431 : 414, false, false, "");

    static int ParseRequestLine(ReadOnlySpan<byte> line, out bool headOnly, out int minor,
        out string path) {
        (headOnly, minor, path) = (false, 0, "");
        if (HasControl(line)) return 400;
        ReadOnlySpan<byte> method = TakeWord(ref line), target = TakeWord(ref line);
        if (!IsToken(method)) return 400;
        if (line.SequenceEqual("HTTP/1.1"u8)) minor = 1;
        else if (!line.SequenceEqual("HTTP/1.0"u8))
            return line.Length == 8 && line.StartsWith("HTTP/"u8) ? 505 : 400;
        headOnly = method.SequenceEqual("HEAD"u8);
        if (!headOnly && !method.SequenceEqual("GET"u8)) return 405;
        return ParseTarget(target, out path);
    }

    /// <summary>"/a/b?c" becomes "a/b". Decoding comes before the look for dots, so that "%2e%2e"
    /// is seen.</summary>
    static int ParseTarget(ReadOnlySpan<byte> target, out string path) {
        path = "";
        if (target.Length > 7 && Is(target[..7], "http://"))
        {
            int slash = target[7..].IndexOf((byte)'/');
            if (slash < 0) return 400;
            target = target[(7 + slash)..];
        }
        int query = target.IndexOf((byte)'?');
        if (query >= 0) target = target[..query];
        if (target.IsEmpty || target[0] != '/') return 400;
        int status = Decode(target[1..], out path);
        if (status != 200) return status;
        // ".." would leave the folder, and hidden files are nobody's business: neither exists here.
        // An empty segment ("//etc") would make the path absolute, or a share on Windows.
        string[] segments = path.Split('/');
        for (int i = 0; i < segments.Length; i++)
            if (segments[i].StartsWith('.') || segments[i] == "" && i < segments.Length - 1)
                return 404;
        if (segments[^1] == "") path += "index.html";
        return 200;
    }

    static int Decode(ReadOnlySpan<byte> target, out string path) {
        path = "";
        var decoded = new List<byte>(target.Length);
        for (int i = 0; i < target.Length; i++) {
            byte c = target[i];
            if (c == '%') {
                if (i + 2 >= target.Length || !byte.TryParse(target.Slice(i + 1, 2),
                    NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out c))
                    return 400;
                i += 2;
            }
            // A NUL would cut the path; to Windows a backslash separates folders, and a colon names
            // a drive or a stream. Refused everywhere, so that no file is served on one system
            // only.
            if (c < ' ' || c == 127 || c == '\\' || c == ':') return 400;
            decoded.Add(c);
        }
        if (decoded.Count > 1024 - 11) return 414;
        path = Encoding.UTF8.GetString(decoded.ToArray());
        return 200;
    }

    static bool TakeLine(scoped ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> line) {
        int end = rest.IndexOf((byte)'\n');
        line = end < 0 ? default : rest[..end];
        if (end < 0) return false;
        if (line.EndsWith("\r"u8)) line = line[..^1];
        rest = rest[(end + 1)..];
        return true;
    }

    static ReadOnlySpan<byte> TakeWord(scoped ref ReadOnlySpan<byte> rest) {
        int end = rest.IndexOf((byte)' ');
        ReadOnlySpan<byte> word = end < 0 ? rest : rest[..end];
        rest = end < 0 ? default : rest[(end + 1)..];
        return word;
    }

    static bool Is(ReadOnlySpan<byte> text, string word) =>
        Ascii.EqualsIgnoreCase(text, word);

    static bool HasControl(ReadOnlySpan<byte> text) {
        foreach (byte c in text)
            if (c < ' ' && c != '\t' || c == 127) return true;
        return false;
    }

    static bool IsToken(ReadOnlySpan<byte> text) =>
        !text.IsEmpty && !text.ContainsAnyExceptInRange((byte)'!', (byte)'~') &&
        !text.ContainsAny("\"(),/:;<=>?@[\\]{}"u8);
}

/// <summary>What is answered.</summary>
static class Response {
    static readonly Dictionary<string, string> Types = new(StringComparer.OrdinalIgnoreCase) {
        [".html"] = "text/html; charset=utf-8", [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript", [".json"] = "application/json",
        [".txt"] = "text/plain; charset=utf-8", [".md"] = "text/plain; charset=utf-8",
        [".c"] = "text/plain; charset=utf-8", [".h"] = "text/plain; charset=utf-8",
        [".svg"] = "image/svg+xml", [".png"] = "image/png", [".jpg"] = "image/jpeg",
        [".gif"] = "image/gif", [".pdf"] = "application/pdf", [".wasm"] = "application/wasm",
    };

    public static string Reason(int status) => status switch {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    };

    public static string TypeOf(string path) {
        int dot = path.LastIndexOf('.');
        return dot >= 0 && Types.TryGetValue(path[dot..], out string? type) ? type
            : "application/octet-stream";
    }

    /// <summary>The head, and the body of a refusal.</summary>
    public static byte[] Head(int status, Request request, long length, bool keepAlive) {
        string body = status == 200 ? "" : $"{status} {Reason(status)}\n";
        string type = status == 200 ? TypeOf(request.Path) : "text/plain; charset=utf-8";
        return Encoding.UTF8.GetBytes(
            $"HTTP/1.1 {status} {Reason(status)}\r\nDate: {DateTime.UtcNow:R}\r\n" +
            $"Content-Type: {type}\r\nContent-Length: {(status == 200 ? length : body.Length)}\r\n" +
            "X-Content-Type-Options: nosniff\r\n" +
            (status == 405 ? "Allow: GET, HEAD\r\n" : "") +
            $"Connection: {(keepAlive ? "keep-alive" : "close")}\r\n\r\n" +
            (request.HeadOnly ? "" : body));
    }
}
