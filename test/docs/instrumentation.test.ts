import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { KNOWN_OUTCOMES, Operation } from '../../src/event/vocabulary.js'
import { CLIENT_HOOKS } from '../../src/instrument/client-hooks.js'
import { AWS_APIS, type AwsApi } from '../../src/instrument/clients/aws-apis.js'
import { packageRoot } from '../support/postgres/package-root.js'

const PAGE = readFileSync(join(packageRoot(), 'docs', 'instrumentation.md'), 'utf8')

/** The body of a section, by its heading. */
function section(heading: string): string {
  const [, body = ''] = new RegExp(`\\n## ${heading}\\n([\\s\\S]*?)(?=\\n## |$)`).exec(PAGE) ?? []
  expect(body, heading).not.toBe('')
  return body
}

describe('docs/instrumentation.md', () => {
  it('has a line for every package that is hooked, and for no other', () => {
    const listed = [...section('What is hooked').matchAll(/^\| `(@?[\w/-]+)` \|/gm)].map(([, name]) => name)
    expect(listed).toEqual(CLIENT_HOOKS.flatMap(({ packages }) => packages).sort(byPage(listed)))
  })

  it('names every operation of AWS that reads a secret or uses a key', () => {
    const reading = Object.values(AWS_APIS).flatMap((apis: Readonly<Record<string, AwsApi>>) =>
      Object.entries(apis)
        .filter(([, { operation }]) => operation !== Operation.WriteCredential)
        .map(([name]) => name),
    )
    const page = section('What is hooked')
    expect(reading.filter((name) => !new RegExp(`\\b${name}\\b`).test(page))).toEqual([])
  })

  it('has outcomes that there are', () => {
    const listed = [...section('Outcomes').matchAll(/^\| `(\w+)` \|/gm)].map(([, name = '']) => name)
    expect(listed.length).toBeGreaterThan(9)
    expect(listed.filter((name) => !KNOWN_OUTCOMES.includes(name))).toEqual([])
  })
})

/** Of two the order that the page has; what it lacks goes last, and is missed. */
function byPage(listed: readonly (string | undefined)[]): (a: string, b: string) => number {
  const place = (name: string): number => (listed.includes(name) ? listed.indexOf(name) : listed.length)
  return (a, b) => place(a) - place(b)
}
