// SPDX-License-Identifier: MIT
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Evpoll.Interop;

namespace Evpoll.Tests;

/// <summary>What the binding believes of the C side, compared with the committed
/// baseline.</summary>
public class AbiTest {
    static readonly Dictionary<string, Type> Structs = new() {
        ["evpoll_event"] = typeof(PollEvent), ["evpoll_change"] = typeof(PollChange),
        ["evpoll_io"] = typeof(IoRequest), ["evpoll_result"] = typeof(IoResult),
        ["evpoll_iovec"] = typeof(IoVector), ["evpoll_address"] = typeof(IoAddress),
        ["evpoll_message"] = typeof(IoMessage), ["evpoll_options"] = typeof(NativeOptions),
        ["evpoll_poller_stats"] = typeof(PollerStats), ["evpoll_poller_info"] = typeof(PollerInfo),
    };

    // Where C#'s name says more than C's.
    static readonly Dictionary<string, string> Names = new() {
        ["op"] = "Operation", ["io_engine"] = "Engine", ["open_flags"] = "Flags",
    };

    static IEnumerable<string[]> Lines(string file) =>
        File.ReadLines(Path.Combine(Support.Root, "abi/baseline", file))
            .Where(l => !l.StartsWith('#')).Select(l => l.Split(' '));

    static string Pascal(string name) => Names.TryGetValue(name, out string? other) ? other
        : string.Concat(name.Split('_').Select(p => char.ToUpperInvariant(p[0]) + p[1..]));

    [Fact]
    public void Every_struct_has_its_size_and_every_field_its_place_size_and_sign() {
        int fields = 0;
        foreach (string[] line in Lines("layout.txt")) {
            string[] name = line[0].Split('.');
            Type type = Structs[name[0]];
            if (name.Length == 1) {
                Assert.Equal(int.Parse(line[1]), Marshal.SizeOf(type));
                Assert.False(IsReference(type));
                continue;
            }
            FieldInfo field = type.GetField(Pascal(name[1]), BindingFlags.Instance |
                BindingFlags.Public | BindingFlags.NonPublic)!;
            Assert.True(field != null, $"{type.Name} has nothing for {line[0]}");
            var array = field.GetCustomAttribute<FixedBufferAttribute>();
            Type inner = field.FieldType.IsEnum ? Enum.GetUnderlyingType(field.FieldType)
                : array?.ElementType ?? field.FieldType;
            Assert.Equal((line[0], int.Parse(line[1]), int.Parse(line[2]), line[3]),
                (line[0], (int)Marshal.OffsetOf(type, field.Name),
                    Marshal.SizeOf(inner) * (array?.Length ?? 1),
                    Structs.ContainsValue(inner) ? "struct"
                        : "UB".Contains(inner.Name[0]) ? "unsigned" : "signed"));
            fields++;
        }
        Assert.Equal(Structs.Values.Sum(t => t.GetFields(BindingFlags.Instance |
            BindingFlags.Public | BindingFlags.NonPublic).Length), fields);
    }

    static bool IsReference(Type type) => (bool)typeof(RuntimeHelpers)
        .GetMethod(nameof(RuntimeHelpers.IsReferenceOrContainsReferences))!
        .MakeGenericMethod(type).Invoke(null, null)!;

    [Fact]
    public void Every_constant_has_its_number() {
        var ours = typeof(Native).GetFields(BindingFlags.Static | BindingFlags.Public |
                BindingFlags.NonPublic).Where(f => f.IsLiteral)
            .ToDictionary(f => f.Name, f => Convert.ToInt64(f.GetRawConstantValue()));
        var theirs = Lines("constants.txt").ToDictionary(l => l[0], l => long.Parse(l[1]));
        // The header's version is recorded by the names of the baseline's files.
        Assert.Equal(theirs.OrderBy(c => c.Key),
            ours.Where(c => !c.Key.StartsWith("EVPOLL_VERSION")).OrderBy(c => c.Key));
    }

    [Fact]
    public void Every_constant_of_an_enum_is_in_it() {
        var families = new (string Prefix, Type Type)[] {
            ("EVPOLL_ERR_", typeof(Status)), ("EVPOLL_FEATURE_", typeof(PollerFeatures)),
            ("EVPOLL_BACKEND_", typeof(PollerBackend)), ("EVPOLL_ENGINE_", typeof(IoEngine)),
            ("EVPOLL_OPEN_", typeof(PollerFlags)), ("EVPOLL_FILE_", typeof(FileFlags)),
            ("EVPOLL_CHANGE_", typeof(ChangeAction)), ("EVPOLL_OP_", typeof(IoCode)),
            ("EVPOLL_OPF_", typeof(IoFlags)), ("EVPOLL_FAMILY_", typeof(IoFamily)),
            ("EVPOLL_MESSAGE_", typeof(MessageFlags)), ("EVPOLL_SHUTDOWN_", typeof(IoDirection)),
        };
        int seen = 0;
        foreach (string[] line in Lines("constants.txt"))
            foreach ((string prefix, Type type) in families)
                if (line[0].StartsWith(prefix)) {
                    string name = Pascal(line[0][prefix.Length..].ToLowerInvariant());
                    Assert.True(Enum.TryParse(type, name, out object? value), line[0]);
                    Assert.Equal(long.Parse(line[1]), Convert.ToInt64(value));
                    seen++;
                }
        Assert.Equal(32 + 7 + 3 + 5 + 4 + 8 + 4 + 18 + 7 + 4 + 3 + 3, seen);
    }

    [Fact]
    public void Every_generated_call_names_an_export_and_every_export_but_those_for_c_is_named() {
        // What the compiler makes of them has other names.
        var called = typeof(Native).GetMethods(BindingFlags.Static | BindingFlags.NonPublic)
            .Select(m => m.Name).Where(n => n.StartsWith("evpoll_")).ToHashSet();
        var exported = File.ReadLines(Path.Combine(Support.Root, "evpoll.def"))
            .Select(l => l.Trim()).Where(l => l.StartsWith("evpoll_"))
            .Select(l => l.Split(' ')[0]).ToHashSet();
        exported.RemoveWhere(n => n.StartsWith("evpoll_aio_"));
        Assert.Equal(exported.Order(), called.Order());
        nint library = NativeLibrary.Load(Library.Path);
        Assert.All(called, name => Assert.True(NativeLibrary.TryGetExport(library, name, out _)));
    }

    [Fact]
    public void The_library_tells_its_version() {
        Assert.Equal(new Version(1, 0, 0), Library.Version);
        Assert.Equal(Library.Version.ToString(), Library.VersionString);
        Assert.Equal("unknown status", EvpollException.Describe((Status)(-99)));
    }
}
