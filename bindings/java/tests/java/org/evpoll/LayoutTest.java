// SPDX-License-Identifier: MIT
package org.evpoll;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.evpoll.internal.Layout;
import org.evpoll.internal.NativeConstants;
import org.junit.jupiter.api.Test;

/** Layouts, constants and statuses are those that the C interface has promised. */
class LayoutTest {
  private static final Path BASELINE = Path.of(System.getProperty("org.evpoll.test.baseline"));
  private static int layout(String name) throws ReflectiveOperationException {
    return Layout.class.getField(name).getInt(null);
  }

  @Test
  void everyStructAndFieldIsWhereTheBaselineSays() throws Exception {
    int checked = 0;
    for (String line : Files.readAllLines(BASELINE.resolve("layout.txt"))) {
      if (line.startsWith("#")) continue;
      String[] parts = line.split(" ");
      String name = parts[0].substring("evpoll_".length()).replace('.', '_')
          .toUpperCase(Locale.ROOT);
      assertEquals(Integer.parseInt(parts[1]), layout(name), line);
      checked++;
    }
    assertEquals(80, checked);
  }

  @Test
  void everyConstantHasTheBaselinesNumber() throws Exception {
    Set<String> here = new TreeSet<>();
    for (var field : NativeConstants.class.getFields()) here.add(field.getName());
    here.removeIf(name -> name.startsWith("EVPOLL_VERSION"));
    Set<String> promised = new TreeSet<>();
    for (String line : Files.readAllLines(BASELINE.resolve("constants.txt"))) {
      if (line.startsWith("#")) continue;
      String[] parts = line.split(" ");
      promised.add(parts[0]);
      assertEquals(Integer.parseInt(parts[1]),
          NativeConstants.class.getField(parts[0]).getInt(null), parts[0]);
    }
    assertEquals(promised, here);
  }

  @Test
  void everyStatusIsInTheEnum() throws Exception {
    int n = 0;
    for (String line : Files.readAllLines(BASELINE.resolve("constants.txt"))) {
      String name = line.split(" ")[0];
      if (!name.equals("EVPOLL_OK") && !name.startsWith("EVPOLL_ERR_")) continue;
      int code = Integer.parseInt(line.split(" ")[1]);
      assertEquals(name.replace("EVPOLL_ERR_", "").replace("EVPOLL_", ""), Status.of(code).name());
      assertEquals(code, Status.valueOf(Status.of(code).name()).code());
      n++;
    }
    assertEquals(Status.values().length, n);
    assertEquals(Status.OK, Status.of(7));
    assertEquals(Status.OS, Status.of(-1000));
    assertEquals(Status.OS, Status.of(Integer.MIN_VALUE));
  }

  @Test
  void everyFlagOfTheInterfaceIsInAnEnum() {
    Set<String> flags = new TreeSet<>();
    for (OpenFlag flag : OpenFlag.values()) flags.add("EVPOLL_OPEN_" + flag);
    for (FileFlag flag : FileFlag.values()) flags.add("EVPOLL_FILE_" + flag);
    for (Feature flag : Feature.values()) flags.add("EVPOLL_FEATURE_" + flag);
    Set<String> constants = new TreeSet<>();
    for (var field : NativeConstants.class.getFields()) constants.add(field.getName());
    constants.removeIf(
        name -> !name.matches("EVPOLL_(OPEN|FILE|FEATURE)_.*"));
    assertEquals(constants, flags);
  }

  @Test
  void everyFunctionOfTheInterfaceIsReachable() throws Exception {
    Set<String> promised = Files.readAllLines(BASELINE.resolve("evpoll-1.0.symbols")).stream()
        .flatMap(line -> java.util.Arrays.stream(line.split("[^a-z0-9_]+")))
        .filter(word -> word.matches("evpoll_[a-z0-9_]+") && !word.startsWith("evpoll_aio"))
        .collect(Collectors.toCollection(TreeSet::new));
    Set<String> here = new TreeSet<>();
    for (var method : org.evpoll.internal.Native.class.getMethods())
      if (method.getName().startsWith("evpoll_")) here.add(method.getName());
    assertTrue(promised.size() > 40, promised.toString());
    assertEquals(promised, here);
  }
}
