// SPDX-License-Identifier: MIT
using Evpoll;

namespace FileServer;

sealed record Options
{
    public string Folder { get; private set; } = "";
    public string Host { get; private set; } = "127.0.0.1";
    public int Port { get; private set; }
    public int Connections { get; private set; } = 400;
    public int IoLimit { get; private set; }
    public int IdleSeconds { get; private set; } = 30;
    public PollerFlags Engine { get; private set; }

    /// <summary>Null where something is not understood.</summary>
    public static Options? Parse(string[] arguments)
    {
        var o = new Options();
        foreach (string argument in arguments)
        {
            string[] parts = argument.Split('=', 2);
            bool Number(int least, int most, Action<int> set)
            {
                if (!int.TryParse(parts[^1], out int n) || n < least || n > most) return false;
                set(n);
                return true;
            }
            bool taken = parts[0] switch
            {
                "--host" when parts.Length == 2 => (o.Host = parts[1]) != "",
                "--port" => Number(0, 65535, n => o.Port = n),
                "--connections" => Number(1, 100000, n => o.Connections = n),
                "--io-limit" => Number(1, 1048576, n => o.IoLimit = n),
                "--idle" => Number(1, 86400, n => o.IdleSeconds = n),
                "--engine" => o.SetEngine(parts[^1]),
                _ => o.Folder == "" && !argument.StartsWith('-') && (o.Folder = argument) != "",
            };
            if (!taken) return null;
        }
        return o.Folder == "" ? null : o;
    }

    bool SetEngine(string name)
    {
        Engine = name switch
        {
            "native" => PollerFlags.NativeIoOnly,
            "pool" => PollerFlags.NoUring,
            _ => PollerFlags.None,
        };
        return name is "auto" or "native" or "pool";
    }
}
