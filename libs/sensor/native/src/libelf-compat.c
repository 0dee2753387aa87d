/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debian's libelf.a asks for two functions of elfutils' libeu, which is in no package. They make and free the tree of
 * elf_getdata_rawchunk(); nothing here calls that (the program would not link without eu_tsearch), so the tree is empty
 * and there is nothing to do.
 */
void eu_search_tree_init(void *tree, int (*compare)(const void *a, const void *b));
void eu_search_tree_fini(void *tree, void (*free_node)(void *node));

void eu_search_tree_init(void *tree, int (*compare)(const void *a, const void *b)) {
        (void)tree;
        (void)compare;
}

void eu_search_tree_fini(void *tree, void (*free_node)(void *node)) {
        (void)tree;
        (void)free_node;
}
