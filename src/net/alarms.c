/* A binary heap of deadlines: see alarms.h. */
#include "alarms.h"

#include "core/buf.h"

#include <assert.h>

#include "core/hidden.h"

#define ROOM_AT_FIRST 16u

bool wsc_alarms_reserve(wsc_alarms *alarms, size_t count) {
  const wsc_platform *platform = alarms->platform;
  size_t room = alarms->room ? alarms->room : ROOM_AT_FIRST;
  if (count <= alarms->room) return true;
  while (room < count) room *= 2;
  if (room > UINT32_MAX / sizeof *alarms->slots) return false;
  void *slots = platform->resize(platform->user, alarms->slots, room * sizeof *alarms->slots);
  if (!slots) return false;
  alarms->slots = slots;
  alarms->room = room;
  return true;
}

void wsc_alarms_free(wsc_alarms *alarms) {
  wsc_release(alarms->platform, alarms->slots);
  *alarms = (wsc_alarms){.platform = alarms->platform};
}

static void put_slot(wsc_alarms *alarms, size_t place, wsc_alarm_slot slot) {
  alarms->slots[place - 1] = slot;
  slot.alarm->place = (uint32_t)place;
}

static uint64_t at_of(const wsc_alarms *alarms, size_t place) {
  return alarms->slots[place - 1].at_us;
}

static void rise(wsc_alarms *alarms, size_t place, wsc_alarm_slot slot) {
  while (place > 1 && slot.at_us < at_of(alarms, place / 2)) {
    put_slot(alarms, place, alarms->slots[place / 2 - 1]);
    place /= 2;
  }
  put_slot(alarms, place, slot);
}

static void sink(wsc_alarms *alarms, size_t place, wsc_alarm_slot slot) {
  for (size_t child = 2 * place; child <= alarms->count; child = 2 * place) {
    if (child < alarms->count && at_of(alarms, child + 1) < at_of(alarms, child)) child++;
    if (slot.at_us <= at_of(alarms, child)) break;
    put_slot(alarms, place, alarms->slots[child - 1]);
    place = child;
  }
  put_slot(alarms, place, slot);
}

static void move_slot(wsc_alarms *alarms, size_t place, wsc_alarm_slot slot) {
  if (place > 1 && slot.at_us < at_of(alarms, place / 2))
    rise(alarms, place, slot);
  else
    sink(alarms, place, slot);
}

static void take_out(wsc_alarms *alarms, wsc_alarm *alarm) {
  size_t place = alarm->place;
  wsc_alarm_slot last = alarms->slots[--alarms->count];
  alarm->place = 0;
  if (place <= alarms->count) move_slot(alarms, place, last);
}

void wsc_alarms_set(wsc_alarms *alarms, wsc_alarm *alarm, uint64_t at_us) {
  wsc_alarm_slot slot = {.at_us = at_us, .alarm = alarm};
  if (alarm->place == 0) {
    if (at_us == WSC_NEVER) return;
    assert(alarms->count < alarms->room);
    rise(alarms, ++alarms->count, slot);
  } else if (at_us == WSC_NEVER) {
    take_out(alarms, alarm);
  } else if (at_us != at_of(alarms, alarm->place)) {
    move_slot(alarms, alarm->place, slot);
  }
}

uint64_t wsc_alarms_at(const wsc_alarms *alarms, const wsc_alarm *alarm) {
  return alarm->place ? at_of(alarms, alarm->place) : WSC_NEVER;
}

wsc_alarm *wsc_alarms_first(const wsc_alarms *alarms) {
  return alarms->count > 0 ? alarms->slots[0].alarm : NULL;
}
