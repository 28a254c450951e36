import { hostileSettings } from '../test/support/hostile-settings.js'
import { TrailServer } from '../test/support/trail-server.js'

const PROGRESS_EVERY = 100

/**
 * `npm run hostile-settings`: makes every setting that a user, a superuser or a start may make, to each of its ends, for
 * the role, for the database and by PGOPTIONS. Under each a trail is written, read, verified, migrated and diagnosed.
 * Starts a Postgres of its own, and takes about half an hour. The exit code is 1 when something came out otherwise.
 */
async function main(): Promise<void> {
  const trails = await TrailServer.start()
  try {
    const report = await hostileSettings(await trails.trail(), undefined, (done) => {
      if (done > 0 && done % PROGRESS_EVERY === 0) console.error(`hostile-settings: ${done}`)
      return false
    })
    for (const difference of report.differences) console.error(`hostile-settings: ${difference}`)
    console.log(JSON.stringify({ ...report, differences: report.differences.length }))
    if (report.differences.length > 0) process.exitCode = 1
  } finally {
    await trails.close()
  }
}

main().catch((error: unknown) => {
  console.error(`hostile-settings: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
