import { execFile } from 'node:child_process'
import { expect, it } from 'vitest'
import { packageRoot } from './support/postgres/package-root.js'

/** What the report says of what was built: nothing, when it is as it was. */
function complaint(): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      ['scripts/api-report.mjs', '--check'],
      { cwd: packageRoot() },
      (error, _, stderr) => (error !== null && stderr === '' ? reject(error) : resolve(stderr)),
    )
  })
}

it('the public API has the shapes of api/public-api.md', async () => {
  expect(await complaint()).toBe('')
})
