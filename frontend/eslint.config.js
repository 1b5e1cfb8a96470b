import js from '@eslint/js';
// The fork that supports ESLint 10; the original plugin stops at 9. Same rules.
import jsxA11y from 'eslint-plugin-jsx-a11y-x';
import reactHooks from 'eslint-plugin-react-hooks';
import globals from 'globals';

const SCROLLABLE = ['region', 'group', 'tabpanel'];

export default [
  { ignores: ['node_modules/', 'dist/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  reactHooks.configs.flat['recommended-latest'],
  jsxA11y.configs.strict,
  {
    languageOptions: {
      ecmaVersion: 'latest',
      sourceType: 'module',
      parserOptions: { ecmaFeatures: { jsx: true } },
    },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-eval': 'error',
      'prefer-const': 'error',
      // A panel that scrolls must be reachable by keyboard, so it takes focus.
      'jsx-a11y-x/no-noninteractive-tabindex': ['error', { roles: SCROLLABLE, tags: [] }],
    },
  },
  // ESLint checks only .js by default; other extensions must be named.
  { files: ['src/**/*.{js,jsx}', 'public/**/*.js'], languageOptions: { globals: globals.browser } },
  { files: ['*.config.js', 'scripts/**/*.js', 'test/**/*.js'], languageOptions: { globals: globals.node } },
];
