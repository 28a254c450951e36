import { resources } from '@opentelemetry/sdk-node'
import { expect, test } from 'vitest'
import { identityOfSpan } from '../../src/otel/span-identity.js'
import { waitUntil } from '../support/wait-until.js'

const NAMES = { 'service.name': 'orders', 'service.instance.id': 'i-1' }

test('a resource that no exporter settles is settled, once, and then known', async () => {
  let calls = 0
  const late = new Promise<string>((resolve) => setTimeout(resolve, 20, 'h'))
  const detector = { detect: () => ({ attributes: { ...NAMES, 'host.id': late } }) }
  const resource = resources.detectResources({ detectors: [detector] })
  const wait = resource.waitForAsyncAttributes?.bind(resource)
  resource.waitForAsyncAttributes = async () => {
    calls++
    await wait?.()
  }
  expect(identityOfSpan({ resource })).toBeUndefined()
  expect(identityOfSpan({ resource })).toBeUndefined()
  await waitUntil('the resource to be settled', () => resource.asyncAttributesPending !== true)
  expect(identityOfSpan({ resource })).toEqual({ serviceName: 'orders', serviceInstanceId: 'i-1' })
  expect(calls).toBe(1)
})

test('one that cannot be settled, and one of another make, change nothing', async () => {
  const failing = {
    asyncAttributesPending: true,
    waitForAsyncAttributes: () => Promise.reject(new Error('a detector')),
  }
  expect(identityOfSpan({ resource: failing })).toBeUndefined()
  expect(identityOfSpan({ resource: { asyncAttributesPending: true } })).toBeUndefined()
  await new Promise(setImmediate)
})
