import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { listSpools } from '../../build/src/spool/directories/list.js'
import { openLmdbSpool } from '../../build/src/spool/lmdb/lmdb-spool.js'
import type { AuditEvent } from '../../src/event/event.js'
import { encodeEvent, EVENT_DOMAIN } from '../../src/event/digest.js'
import { loadLmdb, openEnvironment } from '../../src/spool/lmdb/databases.js'
import { sealRecords } from '../../src/spool/record.js'
import { intactRecords } from '../../src/spool/lmdb/salvage.js'
import { anyEvent } from '../event/arbitrary-event.js'
import { anEvent } from '../support/events.js'
import { onlyProcessDirectory, temporaryDirectory } from './directories.js'

const MAX_BYTES = 1024 * 1024 * 1024

describe('a damaged entry', () => {
  test('is quarantined with the reason, and all others are handed out, also when only damaged ones are in front', async () => {
    const { directory, file, events } = await leftBehind(50)
    for (const event of events.slice(0, 20)) overwrite(file, idBytes(event), Buffer.alloc(8, 9))
    const spool = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    const found: AuditEvent[] = []
    for (let read = await spool.next(7); read.length > 0; read = await spool.next(7)) {
      found.push(...read.map(({ event }) => event))
    }
    expect(found).toEqual(events.slice(20))
    expect(spool.status).toMatchObject({ entries: 30, quarantined: 20 })
    await spool.close()
    expect(await quarantined(directory)).toEqual(Array(20).fill('its checksum does not match'))
    // It stays where it is, for a person.
    const next = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    expect(next.status).toMatchObject({ entries: 30, quarantined: 20 })
    await next.close()
  })

  test('written by another version is quarantined, too, and says which', async () => {
    const { directory, file, events } = await leftBehind(1)
    const encoded = encodeEvent(anEvent())
    const field = (tag: number, bytes: Uint8Array): Buffer =>
      Buffer.concat([Buffer.from([tag, 0, 0, 0, bytes.byteLength]), bytes])
    const [future, yesterday, fine] = sealRecords([
      Buffer.concat([encoded, field(22, Buffer.from('mars'))]),
      Buffer.concat([EVENT_DOMAIN, field(1, Buffer.alloc(8)), field(2, Buffer.from('yesterday'))]),
      encodeEvent(anEvent()),
    ]).map((record) => Buffer.from(record))
    const versions = ['1\n', '3\0', '2\n'].map((version) => {
      const record = Buffer.from(fine ?? [])
      record.write(version, record.indexOf('2\0'))
      return record
    })
    await put(
      file,
      [future, yesterday, ...versions].map((record) => record ?? Buffer.alloc(0)),
    )
    const spool = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    expect((await spool.next(2)).map(({ event }) => event)).toEqual(events)
    expect(await spool.next(10)).toEqual([])
    expect(spool.status).toMatchObject({ entries: 1, quarantined: 5 })
    await spool.close()
    expect(await quarantined(directory)).toEqual([
      'it has a field that events of this version do not have, or not at this place',
      'its integer with tag 2 is not of 8 bytes',
      'it is an entry of version 1, and this version of otel-audit reads version 2',
      'it is an entry of version 3, and this version of otel-audit reads version 2',
      'it does not start with the header of an entry',
    ])
  })
})

describe('a damaged environment', () => {
  const ways: Readonly<Record<string, (file: string) => void>> = {
    'cut off in the middle': (file) => truncateSync(file, 40_960),
    'without its first two pages': (file) => overwriteAt(file, 0, Buffer.alloc(8192)),
    empty: (file) => truncateSync(file, 0),
    'that is something else': (file) => writeFileSync(file, 'not a database at all\n'.repeat(1000)),
    'with garbage where its tree begins': (file) => {
      const { size } = statSync(file)
      for (let page = 2 * 4096; page < size; page += 4096)
        overwriteAt(file, page + 16, Buffer.alloc(24, 0xf3))
    },
  }

  for (const [way, damage] of Object.entries(ways)) {
    test(`${way} is set aside with the reason; what is intact in it is handed out, and the rest of the spool works`, async () => {
      const { directory, file, events } = await leftBehind(500)
      damage(file)
      const intact = [...intactRecords(file)].length
      const other = anEvent()
      const spool = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
      expect(spool.status.entries).toBe(intact)
      await spool.putBack(await spool.append([other]))
      const found = (await spool.next(1000)).map(({ event }) => event)
      expect(found).toHaveLength(intact + 1)
      const expected = new Map([...events, other].map((event) => [event.auditId, event]))
      for (const event of found) expect(event).toEqual(expected.get(event.auditId))
      const aside = readdirSync(directory).filter((name) => name.startsWith('damaged-'))
      expect(aside).toHaveLength(1)
      const reason = readFileSync(join(directory, aside[0] ?? '', 'reason'), 'utf8')
      expect(reason).toMatch(
        /^(it cannot be read: .+|reading it (crashes the process \(SIG[A-Z]+\)|did not finish in time))\n$/,
      )
      expect(statSync(join(directory, aside[0] ?? '', 'data.mdb')).isFile()).toBe(true)
      await spool.close()
      const next = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
      expect(readdirSync(directory)).toContain(aside[0])
      await next.close()
    })
  }

  test('gives back every entry of which all bytes are there', async () => {
    const { directory, file, events } = await leftBehind(500)
    // The pages that say where everything is, and nothing else.
    overwriteAt(file, 0, Buffer.alloc(8192))
    const spool = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    const found = (await spool.next(1000)).map(({ event }) => event)
    expect(found).toHaveLength(500)
    const byId = (a: AuditEvent, b: AuditEvent): number => (a.auditId < b.auditId ? -1 : 1)
    expect(found.sort(byId)).toEqual([...events].sort(byId))
    await spool.close()
  })

  test('does not keep another one from being taken over', async () => {
    const directory = temporaryDirectory()
    const first = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    const own = onlyProcessDirectory(directory)
    const second = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    const events = [anEvent(), anEvent()]
    await first.append([anEvent()])
    await second.append(events)
    await Promise.all([first.close(), second.close()])
    writeFileSync(join(own, 'own/data.mdb'), 'nothing')
    const spool = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    expect((await spool.next(100)).map(({ event }) => event)).toEqual(events)
    await spool.close()
  })
})

test('bytes anywhere in a file: intact entries are found, each once, and nothing else', () => {
  const file = join(temporaryDirectory(), 'bytes')
  const noise = fc.uint8Array({ maxLength: 3000 })
  fc.assert(
    fc.property(fc.array(fc.tuple(noise, anyEvent, fc.boolean()), { maxLength: 6 }), noise, (parts, last) => {
      const records = sealRecords(parts.map(([, event]) => encodeEvent(event))).map((record) =>
        Buffer.from(record),
      )
      const written = parts.flatMap(([before, , isDamaged], i) => {
        const record = records[i] ?? Buffer.alloc(0)
        const damaged = Buffer.from(record)
        damaged.writeUInt8(damaged.readUInt8(damaged.length - 1) ^ 1, damaged.length - 1)
        return [Buffer.from(before), isDamaged ? damaged : Buffer.concat([record, record])]
      })
      writeFileSync(file, Buffer.concat([...written, Buffer.from(last)]))
      const expected = new Set(
        records.filter((_, i) => parts[i]?.[2] === false).map((record) => record.toString('hex')),
      )
      expect(new Set([...intactRecords(file)].map((record) => Buffer.from(record).toString('hex')))).toEqual(
        expected,
      )
      expect([...intactRecords(file)]).toHaveLength(expected.size)
    }),
    { numRuns: 200 },
  )
})

test('an entry that lies across the pieces in which a file is read is found', () => {
  const file = join(temporaryDirectory(), 'bytes')
  const record = Buffer.from(sealRecords([encodeEvent(anEvent({ notes: 'n'.repeat(1000) }))])[0] ?? [])
  for (const before of [0, 1024 * 1024 - record.length, 1024 * 1024 - 1, 1024 * 1024, 3 * 1024 * 1024 - 30]) {
    writeFileSync(file, Buffer.concat([Buffer.alloc(before), record]))
    expect([...intactRecords(file)].map((bytes) => Buffer.from(bytes))).toEqual([record])
  }
})

/** A spool with events, whose process has ended. */
async function leftBehind(count: number) {
  const directory = temporaryDirectory()
  const spool = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
  const events = Array.from({ length: count }, () => anEvent({ notes: 'n'.repeat(100) }))
  await spool.append(events)
  await spool.close()
  return { directory, events, file: join(onlyProcessDirectory(directory), 'own/data.mdb') }
}

/** Writes something else wherever these bytes are. */
function overwrite(file: string, some: Buffer, other: Buffer): void {
  const bytes = readFileSync(file)
  for (let at = bytes.indexOf(some); at !== -1; at = bytes.indexOf(some, at + 1)) {
    overwriteAt(file, at, other)
  }
}

function idBytes({ auditId }: AuditEvent): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(auditId)
  return bytes
}

/** Puts entries into an environment whose process has ended, behind those that it has. */
async function put(file: string, records: readonly Uint8Array[]): Promise<void> {
  const { root, live } = openEnvironment(loadLmdb(), dirname(file))
  records.forEach((record, i) => live.putSync(1000 + i, record))
  await root.close()
}

function overwriteAt(file: string, position: number, bytes: Buffer): void {
  const descriptor = openSync(file, 'r+')
  writeSync(descriptor, bytes, 0, bytes.length, position)
  closeSync(descriptor)
}

async function quarantined(directory: string): Promise<string[]> {
  const { processes } = await listSpools(directory)
  return processes.flatMap(({ quarantine }) => quarantine.map(({ reason }) => reason))
}
