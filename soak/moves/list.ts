import type { PostgresServer, PostgresOptions } from '../../test/support/postgres/server.js'
import { startPostgres } from '../../test/support/postgres/server.js'
import { sql } from '../../test/support/ours.js'
import { backUpAndRestore } from './backup.js'
import {
  expectContinued,
  expectHeld,
  expectRead,
  expectRefused,
  expectSubscriberSaid,
  readBefore,
} from './held.js'
import { HonestTrail } from './honest-trail.js'
import type { Installation, Installations } from './installation.js'
import { createRoles, dump, emptyDatabase, endReplication, renamed, replicate, restore } from './moves.js'
import type { Report } from '../check-report.js'
import { expectOursOnNewer, expectRowsAheadRestored } from './restored.js'
import { upgrade } from './upgrade.js'

type Needed = keyof Installations

export interface Move {
  readonly name: string
  readonly needs: readonly Needed[]
  /** Throws when the trail could not be moved; what was found of it afterwards is reported. */
  readonly make: (report: Report, have: Installations) => Promise<void>
}

const SCHEMA = 'noetl'
const OTHER_SCHEMA = 'archive'

/** Of another version than the programs that come with it only where that cannot be helped: the npm package has no programs. */
const serverFor = (needed: Needed, { older }: Installations): PostgresOptions =>
  needed === 'older' ? { installation: older.directory } : {}

/** Moves within one server: by the programs of the older Postgres on its server, and of the newer on the newest. */
const WITHIN: readonly Move[] = (['older', 'newer'] as const).flatMap((needed) => {
  const move = (
    name: string,
    work: (report: Report, server: PostgresServer, tools: Installation) => Promise<void>,
  ): Move => ({
    name: `${name}, ${needed} Postgres`,
    needs: [needed],
    make: (report, have) =>
      withServer(serverFor(needed, have), (server) => work(report, server, have[needed])),
  })
  return [
    move('dump, restored into another database of the server', async (report, server, tools) => {
      await withTrail(server, async (trail) => {
        const before = await readBefore(trail)
        const url = await emptyDatabase(server, 'restored')
        await restore(tools, url, await dump(tools, trail.place.url))
        await expectHeld(report, before, { url, schema: SCHEMA }, 'foreign')
      })
    }),
    move(
      'dump of the schema, restored as another one of the same database',
      async (report, server, tools) => {
        await withTrail(server, async (trail) => {
          const before = await readBefore(trail)
          const { url } = trail.place
          await createRoles(server, OTHER_SCHEMA)
          const script = await dump(tools, url, ['--schema', SCHEMA])
          await restore(tools, url, renamed(script, SCHEMA, OTHER_SCHEMA))
          await expectHeld(report, before, { url, schema: OTHER_SCHEMA }, 'foreign')
        })
      },
    ),
    move('backup and restore, as docs/operations.md has them', async (report, server, tools) => {
      await withTrail(server, async (trail) => {
        const url = await emptyDatabase(server, 'restored')
        await report.check('its commands succeed, and verify has no finding', () =>
          backUpAndRestore(tools, trail, url),
        )
      })
    }),
    move('dump, restored, and its schema renamed', async (report, server, tools) => {
      await withTrail(server, async (trail) => {
        const before = await readBefore(trail)
        const url = await emptyDatabase(server, 'restored')
        await restore(tools, url, await dump(tools, trail.place.url))
        await sql(url, `alter schema ${SCHEMA} rename to ${OTHER_SCHEMA}`)
        const moved = { url, schema: OTHER_SCHEMA }
        await expectRead(report, before, moved, 'foreign')
        await expectRefused(
          report,
          trail,
          moved,
          /was made as noetl and renamed.*alter schema archive rename to noetl/,
        )
        await sql(url, `alter schema ${OTHER_SCHEMA} rename to ${SCHEMA}`)
        console.log('  and its old name given back')
        await expectContinued(report, before, { url, schema: SCHEMA }, 'foreign')
      })
    }),
    move('dump with a row that is ahead of the clock', async (report, server, tools) => {
      await report.check('it is restored with every row, and the bounds are what they were', () =>
        expectRowsAheadRestored(tools, server),
      )
    }),
  ]
})

const BETWEEN: readonly Move[] = [
  {
    name: 'dump of the older Postgres, restored into the newest',
    needs: ['older'],
    make: (report, { older }) =>
      withServer({ installation: older.directory }, (from) =>
        withServer({}, (to) =>
          withTrail(from, async (trail) => {
            const before = await readBefore(trail)
            await createRoles(to, SCHEMA)
            const url = await emptyDatabase(to, 'restored')
            await restore(older, url, await dump(older, trail.place.url))
            await expectHeld(report, before, { url, schema: SCHEMA }, 'foreign')
          }),
        ),
      ),
  },
  {
    name: 'a trail of the older Postgres, restored into the newest, is ours',
    needs: ['older'],
    make: (report, { older }) =>
      withServer({ installation: older.directory }, (from) =>
        withServer({}, async (to) => {
          await createRoles(to, SCHEMA)
          await report.check('when it was made just now', () =>
            expectOursOnNewer(older, from, to, { adopts: false, name: 'made' }),
          )
          await report.check('when it was made of the original’s table', () =>
            expectOursOnNewer(older, from, to, { adopts: true, name: 'adopted' }),
          )
        }),
      ),
  },
  {
    name: 'logical replication from the older Postgres to the newest',
    needs: ['older'],
    make: (report, { older }) =>
      withServer({ installation: older.directory, settings: { wal_level: 'logical' } }, (from) =>
        withServer({}, (to) =>
          withTrail(from, async (trail) => {
            await createRoles(to, SCHEMA)
            const url = await emptyDatabase(to, 'subscriber')
            await restore(older, url, await dump(older, trail.place.url, ['--schema-only']))
            await replicate(trail.place, url)
            // Its last rows come one by one, while the first ones were copied.
            const before = await readBefore(trail)
            await expectSubscriberSaid(report, { url, schema: SCHEMA })
            await endReplication(trail.place, url)
            await expectHeld(report, before, { url, schema: SCHEMA }, 'foreign')
          }),
        ),
      ),
  },
  {
    name: 'pg_upgrade of the older Postgres to the newer',
    needs: ['older', 'newer'],
    make: (report, { older, newer }) =>
      withServer({ installation: older.directory }, (from) =>
        withServer({ installation: newer.directory }, (to) =>
          withTrail(from, async (trail) => {
            const before = await readBefore(trail)
            const url = await upgrade(
              { server: from, installation: older },
              { server: to, installation: newer },
              'trail',
            )
            await expectHeld(report, before, { url, schema: SCHEMA }, 'native')
          }),
        ),
      ),
  },
]

export const MOVES: readonly Move[] = [...WITHIN, ...BETWEEN]

async function withServer(
  options: PostgresOptions,
  work: (server: PostgresServer) => Promise<void>,
): Promise<void> {
  const server = await startPostgres(options)
  try {
    await work(server)
  } finally {
    await server.close()
  }
}

async function withTrail(server: PostgresServer, work: (trail: HonestTrail) => Promise<void>): Promise<void> {
  const trail = await HonestTrail.write(await emptyDatabase(server, 'trail'))
  try {
    await work(trail)
  } finally {
    await trail.close()
  }
}
