// SPDX-License-Identifier: MIT
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Evpoll.Interop;

namespace Evpoll.Tests;

/// <summary>What the binding believes of the C side, compared with the committed
/// baseline.</summary>
public class AbiTest
{
    static readonly Dictionary<string, Type> Structs = new()
    {
        ["evpoll_event"] = typeof(PollEvent), ["evpoll_change"] = typeof(PollChange),
        ["evpoll_io"] = typeof(IoRequest), ["evpoll_result"] = typeof(IoResult),
        ["evpoll_options"] = typeof(NativeOptions), ["evpoll_stats"] = typeof(PollerStats),
        ["evpoll_info"] = typeof(PollerInfo),
    };

    // Where C#'s name says more than C's.
    static readonly Dictionary<string, string> Names = new()
    {
        ["op"] = "Operation", ["io_engine"] = "Engine", ["open_flags"] = "Flags",
    };

    static IEnumerable<string[]> Lines(string file) =>
        File.ReadLines(Path.Combine(Support.Root, "abi/baseline", file))
            .Where(l => !l.StartsWith('#')).Select(l => l.Split(' '));

    static string Pascal(string name) => Names.TryGetValue(name, out string? other) ? other
        : string.Concat(name.Split('_').Select(p => char.ToUpperInvariant(p[0]) + p[1..]));

    [Fact]
    public void Every_struct_has_its_size_and_every_field_its_place_size_and_sign()
    {
        int fields = 0;
        foreach (string[] line in Lines("layout.txt"))
        {
            string[] name = line[0].Split('.');
            if (!Structs.TryGetValue(name[0], out Type? type))
            {
                Assert.Equal("evpoll_iovec", name[0]); // vectored operations are for C
                continue;
            }
            if (name.Length == 1)
            {
                Assert.Equal(int.Parse(line[1]), Marshal.SizeOf(type));
                Assert.False(IsReference(type));
                continue;
            }
            FieldInfo field = type.GetField(Pascal(name[1]), BindingFlags.Instance |
                BindingFlags.Public | BindingFlags.NonPublic)!;
            Assert.True(field != null, $"{type.Name} has nothing for {line[0]}");
            Type inner = field.FieldType.IsEnum ? Enum.GetUnderlyingType(field.FieldType)
                : field.FieldType;
            Assert.Equal((line[0], int.Parse(line[1]), int.Parse(line[2]), line[3]),
                (line[0], (int)Marshal.OffsetOf(type, field.Name), Marshal.SizeOf(inner),
                    inner.Name.StartsWith('U') ? "unsigned" : "signed"));
            fields++;
        }
        Assert.Equal(Structs.Values.Sum(t => t.GetFields(BindingFlags.Instance |
            BindingFlags.Public | BindingFlags.NonPublic).Length), fields);
    }

    static bool IsReference(Type type) => (bool)typeof(RuntimeHelpers)
        .GetMethod(nameof(RuntimeHelpers.IsReferenceOrContainsReferences))!
        .MakeGenericMethod(type).Invoke(null, null)!;

    [Fact]
    public void Every_constant_has_its_number()
    {
        var ours = typeof(Native).GetFields(BindingFlags.Static | BindingFlags.Public |
                BindingFlags.NonPublic).Where(f => f.IsLiteral)
            .ToDictionary(f => f.Name, f => Convert.ToInt64(f.GetRawConstantValue()));
        var theirs = Lines("constants.txt").ToDictionary(l => l[0], l => long.Parse(l[1]));
        string[] forC = ["EVPOLL_IO_READV", "EVPOLL_IO_WRITEV"];
        // The header's version is recorded by the names of the baseline's files.
        Assert.Equal(theirs.Where(c => !forC.Contains(c.Key)).OrderBy(c => c.Key),
            ours.Where(c => !c.Key.StartsWith("EVPOLL_VERSION")).OrderBy(c => c.Key));
    }

    [Fact]
    public void Every_constant_of_an_enum_is_in_it()
    {
        var families = new (string Prefix, Type Type)[]
        {
            ("EVPOLL_ERR_", typeof(Status)), ("EVPOLL_FEATURE_", typeof(PollerFeatures)),
            ("EVPOLL_BACKEND_", typeof(PollerBackend)), ("EVPOLL_ENGINE_", typeof(IoEngine)),
            ("EVPOLL_OPEN_", typeof(PollerFlags)), ("EVPOLL_FILE_", typeof(FileFlags)),
            ("EVPOLL_CHANGE_", typeof(ChangeAction)),
        };
        int seen = 0;
        foreach (string[] line in Lines("constants.txt"))
            foreach ((string prefix, Type type) in families)
                if (line[0].StartsWith(prefix))
                {
                    string name = Pascal(line[0][prefix.Length..].ToLowerInvariant());
                    if (name == "Engine") name = line[0];
                    Assert.True(Enum.TryParse(type, name, out object? value), line[0]);
                    Assert.Equal(long.Parse(line[1]), Convert.ToInt64(value));
                    seen++;
                }
        Assert.Equal(32 + 7 + 3 + 5 + 4 + 6 + 4, seen);
    }

    [Fact]
    public void Every_generated_call_names_an_export_and_every_export_but_those_for_c_is_named()
    {
        var called = typeof(NativePINVOKE).GetMethods(BindingFlags.Static | BindingFlags.Public |
                BindingFlags.NonPublic)
            .Select(m => m.GetCustomAttribute<DllImportAttribute>()?.EntryPoint)
            .OfType<string>().ToHashSet();
        var exported = File.ReadLines(Path.Combine(Support.Root, "evpoll.def"))
            .Select(l => l.Trim()).Where(l => l.StartsWith("evpoll_"))
            .Select(l => l.Split(' ')[0]).ToHashSet();
        exported.RemoveWhere(n => n.StartsWith("evpoll_aio_"));
        Assert.Equal(exported.Order(), called.Order());
        nint library = NativeLibrary.Load(Library.Path);
        Assert.All(called, name => Assert.True(NativeLibrary.TryGetExport(library, name, out _)));
    }

    [Fact]
    public void Every_export_is_reachable_from_the_public_raw_layer()
    {
        Assert.Equal(new Version(1, 0, 0), Library.Version);
        Assert.Equal(Library.Version.ToString(), Library.VersionString);
        Assert.Equal("unknown status", EvpollException.Describe((Status)(-99)));
        nint memory = RawBuffer.Allocate(100, 64);
        Assert.Equal(0, memory % 64);
        RawBuffer.Free(memory);
        RawBuffer.Free(0);
    }
}
