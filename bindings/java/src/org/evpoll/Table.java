// SPDX-License-Identifier: MIT
package org.evpoll;

import java.util.Arrays;
import java.util.function.Consumer;

/** Objects by token. A token is a place and its generation, so that a late event finds nobody. */
final class Table<T> {
  private Object[] objects = new Object[64];
  private int[] generations = new int[64];
  private int[] free = new int[64];
  private int nfree;
  private int used;
  private int size;

  long add(T object) {
    if (nfree == 0 && used == objects.length) grow();
    int place = nfree > 0 ? free[--nfree] : used++;
    objects[place] = object;
    size++;
    return (long) generations[place] << 32 | place;
  }

  /** Null if it was removed. */
  @SuppressWarnings("unchecked") // only add puts objects in
  T get(long token) {
    int place = (int) token;
    return place >= 0 && place < used && generations[place] == (int) (token >>> 32)
        ? (T) objects[place] : null;
  }

  void remove(long token) {
    if (get(token) == null) return;
    int place = (int) token;
    objects[place] = null;
    generations[place]++;
    free[nfree++] = place;
    size--;
  }

  int size() {
    return size;
  }

  @SuppressWarnings("unchecked") // only add puts objects in
  void forEach(Consumer<T> action) {
    for (Object object : Arrays.copyOf(objects, used))
      if (object != null) action.accept((T) object);
  }

  private void grow() {
    int length = objects.length * 2;
    objects = Arrays.copyOf(objects, length);
    generations = Arrays.copyOf(generations, length);
    free = Arrays.copyOf(free, length);
  }
}
