import { cp, open, readdir, rename, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { eventDigest } from '../../src/event/digest.js'
import { generateNoteKey } from '../../src/chain/note-key.js'
import { retentionRow } from '../../src/event/self-rows.js'
import { signRetention } from '../../src/verify/retention-note.js'
import { anEvent } from '../../test/support/events.js'
import { readTrail } from '../../test/support/trail.js'
import type { Result } from './command-line.js'
import type { OldMonths } from './old-months.js'

const ROWS = 'rows-000001.ndjson.gz'

/** What is done to one archive of a place, and the name that it has to be found by. */
export interface Tampering {
  readonly what: string
  /** @returns what the finding has to name */
  readonly make: (place: string, folder: string, other: string) => Promise<string>
}

export const TAMPERINGS: readonly Tampering[] = [
  {
    what: 'altered by one bit',
    make: async (place, folder) => {
      const file = await open(join(place, folder, ROWS), 'r+')
      const byte = Buffer.alloc(1)
      await file.read(byte, 0, 1, 100)
      byte[0] = (byte[0] ?? 0) ^ 1
      await file.write(byte, 0, 1, 100)
      await file.close()
      return `${folder}/${ROWS}`
    },
  },
  {
    what: 'cut',
    make: async (place, folder) => {
      await truncate(join(place, folder, ROWS), 200)
      return `${folder}/${ROWS} is cut off`
    },
  },
  {
    what: 'with a file that is missing',
    make: async (place, folder) => {
      await rm(join(place, folder, ROWS))
      return `${folder}/${ROWS} is missing`
    },
  },
  {
    what: 'with a file of another trail’s archive in its place',
    make: async (place, folder, other) => {
      await cp(join(other, await sameNumber(other, folder), ROWS), join(place, folder, ROWS))
      return `${folder}/${ROWS}`
    },
  },
  {
    what: 'swapped with another trail’s, as a whole',
    make: async (place, folder, other) => {
      await rm(join(place, folder), { recursive: true })
      await cp(join(other, await sameNumber(other, folder)), join(place, folder), { recursive: true })
      return folder
    },
  },
  {
    what: 'under the name of another',
    make: async (place, folder) => {
      const name = folder.replace(/^\d{6}/, '000999')
      await rename(join(place, folder), join(place, name))
      return name
    },
  },
  {
    what: 'missing, as a whole',
    make: async (place, folder) => {
      await rm(join(place, folder), { recursive: true })
      return `archive ${Number(folder.slice(0, 6))} is missing`
    },
  },
]

async function sameNumber(other: string, folder: string): Promise<string> {
  const folders = (await readdir(other)).toSorted()
  return folders.find((name) => name.slice(0, 6) === folder.slice(0, 6)) ?? ''
}

/** Tampers with the row of a block that reaches over the bound, as a superuser can, and puts it back afterwards. */
export async function withForgedRow(
  trail: OldMonths,
  bound: bigint,
  look: () => Promise<void>,
): Promise<void> {
  await trail.owner(async (client) => {
    const row = (await readTrail(client)).find(({ event }) => event.auditId >= bound)
    if (row === undefined) throw new Error('there is no row after the bound')
    const id = String(row.event.auditId)
    const write = async (notes: string | null, digest: Uint8Array | null): Promise<void> => {
      await client.query('begin')
      await client.query(guards('disable'))
      await client.query('update noetl.secret_audit set notes = $1, event_digest = $2 where audit_id = $3', [
        notes,
        digest,
        id,
      ])
      await client.query(guards('enable always'))
      await client.query('commit')
    }
    const forged = { ...row.event, notes: 'forged' }
    await write(forged.notes, eventDigest(forged))
    try {
      await look()
    } finally {
      await write(row.event.notes, row.digest)
    }
  })
}

/** What refuses changes of rows. */
function guards(how: 'disable' | 'enable always'): string {
  return `do $$ declare guard record; begin
    for guard in select tgrelid::regclass as relation, tgname as name from pg_trigger
      where tgname like 'secret_audit_append_only%' and tgparentid = 0 loop
      execute format('alter table %s ${how} trigger %I', guard.relation, guard.name);
    end loop;
  end $$`
}

/** A service writes a row which says that a month was retired, signed by a key of its own under the name of the right one. */
export async function forgeRetention(trail: OldMonths, month: number): Promise<void> {
  const { signer } = generateNoteKey('otel-audit/wallet/retention')
  const { rows } = await trail.owner((client) =>
    client.query<{ trail: string }>('select trail from noetl.secret_audit_trail'),
  )
  const said = {
    log: 'otel-audit/wallet',
    trail: rows[0]?.trail ?? '',
    state: 'retired' as const,
    partition: trail.partition(month),
    from: trail.bound(month),
    to: trail.bound(month + 1),
    rows: 1,
    leaves: { count: 0, sum: '0'.repeat(64) },
    manifests: [],
    time: Date.now() * 1000,
  }
  const service = trail.sink('a service')
  const by = { actorId: 'mallory', actorType: 'service' as const }
  await trail.store(service, anEvent(retentionRow(said, signRetention(said, signer), by)))
  await service.close()
}

/** @throws Error unless it found something, and names it so */
export function mustName({ code, stdout, stderr }: Result, name: string): void {
  const named = stdout.split('\n').some((line) => line.includes(name))
  if (code !== 1 || !named)
    throw new Error(`exit code ${code}, and "${name}" is not among\n${stdout}${stderr}`)
}
