/** Import rules of the layout: apps -> libs only, pure libs stay pure, one lib per client. */
const pure = '^libs/(policy-model|policy-compiler|bundle|contracts)/src';
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'pure-libs-have-no-effects',
      comment: 'Decisions are pure: no Nest, no client, no file system, no process.',
      severity: 'error',
      from: { path: pure, pathNot: '\\.(spec|int-spec|vm-spec)\\.ts$' },
      to: {
        path: '^(node_modules/(@nestjs|ioredis|etcd3|pg|node-ssh)|(node:)?(fs|fs/promises|child_process|net|tls|http|https|process|os)$)',
      },
    },
    {
      name: 'libs-do-not-import-apps',
      severity: 'error',
      from: { path: '^libs' },
      to: { path: '^apps' },
    },
    {
      name: 'apps-do-not-import-each-other',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'only-libs-etcd-imports-etcd3',
      severity: 'error',
      from: { pathNot: '^libs/etcd/' },
      to: { path: '^node_modules/etcd3' },
    },
    {
      name: 'only-libs-redis-imports-ioredis',
      severity: 'error',
      from: { pathNot: '^libs/redis/' },
      to: { path: '^node_modules/ioredis' },
    },
    {
      name: 'only-libs-postgresql-imports-pg',
      severity: 'error',
      from: { pathNot: '^libs/postgresql/' },
      to: { path: '^node_modules/(@types/)?pg/' },
    },
    {
      name: 'no-deep-imports-into-libs',
      comment: 'Another lib or app is entered by its index only.',
      severity: 'error',
      from: { path: '^(libs|apps)/([^/]+)/' },
      to: { path: '^libs/[^/]+/src/(?!index\\.ts$)', pathNot: '^$1/$2/' },
    },
    {
      name: 'dev-dependencies-stay-out-of-products',
      severity: 'error',
      from: {
        path: '^(apps|libs)',
        pathNot: '(\\.(spec|int-spec|vm-spec)\\.ts$|^libs/testing/|/fixtures/)',
      },
      to: { dependencyTypes: ['npm-dev'] },
    },
    {
      name: 'fixtures-are-for-tests',
      severity: 'error',
      from: {
        path: '^(apps|libs)',
        pathNot: '(\\.(spec|int-spec|vm-spec)\\.ts$|/(fixtures|testing)/)',
      },
      to: { path: '/fixtures/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      conditionNames: ['source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
};
