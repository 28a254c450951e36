/** The folders of src whose code is mutated, each with the tests that must notice. None of them needs a database. */
export const TESTS = {
  chain: ['test/chain/**/*.test.ts', 'test/verify/**/*.test.ts'],
  event: ['test/event/!(fields).test.ts', 'test/service/record.test.ts', 'test/public-api/events.test.ts'],
  verify: ['test/verify/**/*.test.ts'],
  exporter: [
    'test/exporter/{backoff,bounds,bystanders,close,entry,fates,group-commit,mistakes,queue}.test.ts',
  ],
}
