import { describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { folder, input, run } from './one-product.js';

const DECLARED = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorVirtualMachine
metadata: { name: declared }
---
apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: { name: first-version }
spec:
  nodeSelector: { matchLabels: { env: nowhere } }
  file: { matchPaths: [{ path: /etc/nowhere }] }
  action: Block
`;

describe('what goes against what is there', () => {
  it('is refused with the field, its value, and a command that leads on', async () => {
    expect((await input(DECLARED, 'apply')).code).toBe(0);
    const cases: readonly (readonly [string, string, string])[] = [
      [
        'rollback policy first-version',
        'policy (first-version): has no earlier',
        'hostward history',
      ],
      [
        'node revoke declared',
        'node (declared): is declared only',
        'hostward delete node declared',
      ],
      ['node replace declared', 'node (declared): has no machine', 'hostward create join-token'],
      ['node rename declared web1', 'to (web1): is taken', 'hostward delete node web1'],
      ['node reinstate web1', 'node (web1): is not cut off', 'hostward status node web1'],
      ['ca switch', 'step (switch): cannot be taken', 'hostward ca status'],
      ['ca abort', 'step (abort): cannot be taken', 'hostward ca status'],
      ['ca finish', 'step (finish): cannot be taken', 'hostward ca status'],
      [
        `bundle export --node declared -o ${join(folder, 'no.bundle')}`,
        'node (declared): has no identity',
        'hostward create join-token',
      ],
    ];
    for (const [words, what, wayOn] of cases) {
      const { code, stdout, stderr } = await run(...words.split(' '));
      expect({ words, code, stdout }).toEqual({ words, code: 1, stdout: '' });
      expect(stderr).toContain(`  ${what}`);
      expect(stderr.split('\nremedy: ')[1]).toContain(wayOn);
    }
    expect((await input(DECLARED, 'delete')).code).toBe(0);
  });
});
