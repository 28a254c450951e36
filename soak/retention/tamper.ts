import { eventDigest } from '../../src/event/digest.js'
import { generateNoteKey } from '../../src/chain/note-key.js'
import { retentionRow } from '../../src/event/self-rows.js'
import { FINDINGS } from '../../src/verify/finding.js'
import { signRetention } from '../../src/verify/retention-note.js'
import { anEvent } from '../../test/support/events.js'
import { readTrail } from '../../test/support/trail.js'
import type { Report } from '../check-report.js'
import type { Result } from './command-line.js'
import type { OldMonths } from './old-months.js'
import { filesOf, foldersOf, type Place, type VersionedPlace } from './place.js'
import { TamperedPlace } from './tampered-place.js'

const ROWS = 'rows-000001.ndjson.gz'

/** What is done to one archive of a place, and the name that it has to be found by. */
interface Tampering {
  readonly what: string
  /** @returns what the finding has to name */
  readonly make: (place: TamperedPlace, folder: string, other: Place) => Promise<string>
}

/**
 * Nothing is left of what was there: where the store keeps versions, all of them are deleted. What another trail's archives are
 * swapped into comes first: that trail has few, and they are of the same number.
 */
const TAMPERINGS: readonly Tampering[] = [
  {
    what: 'with a file of another trail’s archive in its place',
    make: async (place, folder, other) => {
      await place.write(`${folder}/${ROWS}`, await other.read(`${await sameNumber(other, folder)}/${ROWS}`))
      return `${folder}/${ROWS}`
    },
  },
  {
    what: 'swapped with another trail’s, as a whole',
    make: async (place, folder, other) => {
      const theirs = await sameNumber(other, folder)
      for (const file of await filesOf(place, folder)) await place.remove(`${folder}/${file}`)
      for (const file of await filesOf(other, theirs))
        await place.write(`${folder}/${file}`, await other.read(`${theirs}/${file}`))
      return folder
    },
  },
  {
    what: 'altered by one bit',
    make: async (place, folder) => {
      await place.write(`${folder}/${ROWS}`, altered(await place.read(`${folder}/${ROWS}`)))
      return `${folder}/${ROWS}`
    },
  },
  {
    what: 'cut',
    make: async (place, folder) => {
      await place.write(`${folder}/${ROWS}`, (await place.read(`${folder}/${ROWS}`)).subarray(0, 200))
      return `${folder}/${ROWS} is cut off`
    },
  },
  {
    what: 'with a file that is missing',
    make: async (place, folder) => {
      await place.remove(`${folder}/${ROWS}`)
      return `${folder}/${ROWS} is missing`
    },
  },
  {
    what: 'under the name of another',
    make: async (place, folder) => {
      const name = folder.replace(/^\d{6}/, '000999')
      for (const file of await filesOf(place, folder)) {
        await place.write(`${name}/${file}`, await place.read(`${folder}/${file}`))
        await place.remove(`${folder}/${file}`)
      }
      return name
    },
  },
  {
    what: 'missing, as a whole',
    make: async (place, folder) => {
      for (const file of await filesOf(place, folder)) await place.remove(`${folder}/${file}`)
      return `archive ${Number(folder.slice(0, 6))} is missing`
    },
  },
]

/** What is read by its version all the same. */
function hidings(versioned: VersionedPlace): readonly Tampering[] {
  return [
    {
      what: 'with a newer version over a file, altered by one bit',
      make: async (place, folder) => {
        const file = `${folder}/${ROWS}`
        await versioned.cover(file, altered(await place.read(file)))
        place.undoneBy(() => versioned.reveal(file))
        return `${file} is hidden by a newer version; it was read by its version`
      },
    },
    {
      what: 'with a delete marker on a file',
      make: async (place, folder) => {
        const file = `${folder}/${ROWS}`
        await versioned.hide(file)
        place.undoneBy(() => versioned.reveal(file))
        return `${file} is hidden by a delete marker; it was read by its version`
      },
    },
  ]
}

/** Does all of it to the archives of a trail, one after the other, and puts them back. */
export async function checkTamperings(report: Report, trail: OldMonths, other: Place): Promise<void> {
  const { place, trust } = trail
  // One for each: a file that was put back has another version than its manifest names.
  const folders = await foldersOf(place)
  const verify = (flag: string): Promise<Result> =>
    trail.auditor.run('verify', '--trust', trust, flag, place.name, '--format', 'table')
  const found = ({ what, make }: Tampering, nth: number, isOnlyHidden: boolean): Promise<void> =>
    report.check(`${what}: found by name, alone and with the trail`, async () => {
      const tampered = new TamperedPlace(place)
      try {
        const name = await make(tampered, folders[nth] ?? '', other)
        for (const flag of ['--archive', '--with-archive']) {
          const result = await verify(flag)
          mustName(result, name)
          if (isOnlyHidden) mustBeHiddenOnly(result)
        }
      } finally {
        await tampered.putBack()
      }
    })
  if (isVersioned(place)) for (const [nth, hiding] of hidings(place).entries()) await found(hiding, nth, true)
  for (const [nth, tampering] of TAMPERINGS.entries()) await found(tampering, nth, false)
  await report.check('put back, nothing is found, alone and with the trail', async () => {
    for (const flag of ['--archive', '--with-archive'])
      await trail.auditor.expect(0, 'verify', '--trust', trust, flag, place.name)
  })
}

function isVersioned(place: Place): place is VersionedPlace {
  return 'cover' in place
}

function altered(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, i) => (i === 100 ? byte ^ 1 : byte))
}

async function sameNumber(other: Place, folder: string): Promise<string> {
  const folders = await foldersOf(other)
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

/** @throws Error when something else was found than that files are hidden */
function mustBeHiddenOnly({ stdout }: Result): void {
  const codes = stdout.split('\n').map((line) => line.slice(0, line.indexOf(': ')))
  if (codes.some((code) => code in FINDINGS && code !== 'archive-hidden'))
    throw new Error(`more is found than what is hidden:\n${stdout}`)
}
