/** Import rules of the layout: apps -> libs only, pure libs stay pure, one lib per client, folders in layers. */
const pure = '^libs/(policy-model|policy-compiler|bundle|contracts)/src';
const tests = '(\\.(spec|int-spec|vm-spec)\\.ts$|/(testing|fixtures)/)';

/** Folders of each source tree, lowest layer first. A folder imports only from itself and from folders before it. */
const layers = {
  'apps/control-plane/src': [
    'http health',
    'auth records replicas',
    'config store',
    'access certificates policies',
    'trust',
    'delivery',
    'reports',
    'nodes alerts suspensions redirects',
    'diagnosis',
    'server',
    'commands',
  ],
  'apps/agent/src': [
    'config',
    'health',
    'trust',
    'enrollment sensor',
    'reporting',
    'delivery redirect events',
    'runtime',
    'simulation import preflight offboard',
  ],
  'apps/cli/src': [
    'output product',
    'input',
    'client',
    'embedded',
    'keys bootstrap',
    'audit-log sim',
    'doctor',
    'commands',
  ],
  'tools/src': ['supply packaging demo', 'bench', 'suites', 'commands'],
  'libs/policy-compiler/src': ['resolve', 'plan', 'apparmor bpf'],
};

/** A total order of folders, so neither a layer nor a cycle can be broken. */
function layerRules(root, rows) {
  const order = rows.flatMap((row) => row.split(' '));
  const above = order.slice(0, -1).map((folder, at) => ({
    name: `${folder}-imports-no-folder-above-it`,
    comment: `Order of folders in ${root}: ${order.join(', ')}.`,
    severity: 'error',
    from: { path: `^${root}/${folder}/`, pathNot: tests },
    to: { path: `^${root}/(${order.slice(at + 1).join('|')})/` },
  }));
  const folder = `^${root}/(?!(${order.join('|')}|testing|fixtures)/)[^/]+/`;
  return [
    ...above,
    {
      name: 'folder-has-no-layer',
      comment: 'Give a new folder its place in the layers of .dependency-cruiser.cjs.',
      severity: 'error',
      from: { path: folder },
      to: {},
    },
    {
      name: 'folders-do-not-import-the-entry',
      severity: 'error',
      from: { path: `^${root}/[^/]+/`, pathNot: tests },
      to: { path: `^${root}/[^/]+\\.ts$` },
    },
  ];
}

module.exports = {
  forbidden: [
    ...Object.entries(layers).flatMap(([root, rows]) => layerRules(root, rows)),
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
      name: 'products-do-not-import-tools',
      severity: 'error',
      from: { path: '^(apps|libs)/' },
      to: { path: '^tools/' },
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
      from: { path: '^(libs|apps|tools)/([^/]+)/' },
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
