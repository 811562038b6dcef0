/*
 * lantern.c - a small general purpose library for C99, in a single file.
 *
 * Lantern collects the pieces that nearly every program ends up needing:
 * containers, strings, parsers, checksums, random numbers and a handful of
 * classic algorithms. Nothing here depends on anything beyond the standard
 * library. Every public name starts with lt_, every constant with LT_.
 *
 * Conventions:
 *   - Functions that can fail return an lt_status; LT_OK is zero.
 *   - An object is set up by an _init function and released by a _free
 *     function. Calling _free twice is harmless.
 *   - Sizes are size_t, and ranges are half open: [first, last).
 *   - Running out of memory is reported, never ignored.
 *
 * License: MIT.
 */

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ */
/* Status codes and small helpers                                      */
/* ------------------------------------------------------------------ */

/** The result of every operation that can go wrong. */
typedef enum {
    LT_OK = 0,
    LT_ERR_MEMORY,      /* an allocation failed */
    LT_ERR_RANGE,       /* an index or a value was out of range */
    LT_ERR_SYNTAX,      /* the input text was malformed */
    LT_ERR_NOT_FOUND,   /* the thing asked for does not exist */
    LT_ERR_FULL,        /* a container with fixed capacity is full */
    LT_ERR_EMPTY,       /* a container had nothing to give */
    LT_ERR_DEPTH,       /* the input was nested too deeply */
    LT_ERR_MATH         /* division by zero, a singular matrix, ... */
} lt_status;

#define LT_MIN(a, b) ((a) < (b) ? (a) : (b))
#define LT_MAX(a, b) ((a) > (b) ? (a) : (b))
#define LT_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LT_UNUSED(x) ((void)(x))

/** Return a short English description of a status code. */
const char *lt_status_text(lt_status status)
{
    switch (status) {
    case LT_OK:            return "ok";
    case LT_ERR_MEMORY:    return "out of memory";
    case LT_ERR_RANGE:     return "out of range";
    case LT_ERR_SYNTAX:    return "syntax error";
    case LT_ERR_NOT_FOUND: return "not found";
    case LT_ERR_FULL:      return "container is full";
    case LT_ERR_EMPTY:     return "container is empty";
    case LT_ERR_DEPTH:     return "nested too deeply";
    case LT_ERR_MATH:      return "arithmetic error";
    }
    return "unknown status";
}

/**
 * Multiply two sizes and report whether the product fits.
 * The result is stored only when it does.
 */
static bool lt_mul_size(size_t a, size_t b, size_t *product)
{
    if (a != 0 && b > SIZE_MAX / a)
        return false;
    *product = a * b;
    return true;
}

/** Round n up to the next power of two; zero becomes one. */
static size_t lt_next_pow2(size_t n)
{
    size_t p = 1;

    while (p < n && p <= SIZE_MAX / 2)
        p <<= 1;
    return p;
}

/** Exchange two objects of the same size, a few bytes at a time. */
static void lt_swap_bytes(void *a, void *b, size_t size)
{
    unsigned char *pa = a;
    unsigned char *pb = b;
    unsigned char scratch[64];

    while (size > 0) {
        size_t chunk = LT_MIN(size, sizeof scratch);

        memcpy(scratch, pa, chunk);
        memcpy(pa, pb, chunk);
        memcpy(pb, scratch, chunk);
        pa += chunk;
        pb += chunk;
        size -= chunk;
    }
}

/** A three way comparison in the style of qsort, with a user pointer. */
typedef int (*lt_compare_fn)(const void *a, const void *b, void *user);

/** Compare two ints. */
int lt_compare_int(const void *a, const void *b, void *user)
{
    int x = *(const int *)a;
    int y = *(const int *)b;

    LT_UNUSED(user);
    return (x > y) - (x < y);
}

/* ------------------------------------------------------------------ */
/* Arena allocator                                                     */
/* ------------------------------------------------------------------ */

/*
 * An arena hands out memory by bumping an offset inside a large block.
 * Individual allocations cannot be freed; instead the whole arena is
 * reset or released at once. That makes it a good home for parse trees
 * and other structures whose parts all die together.
 */

typedef struct lt_arena_block {
    struct lt_arena_block *next;
    size_t capacity;
    size_t used;
} lt_arena_block;

typedef struct {
    lt_arena_block *head;
    size_t block_size;
    size_t total;          /* bytes handed out since the last reset */
} lt_arena;

/** A type whose alignment is good enough for everything we store. */
typedef union {
    long long as_integer;
    double as_double;
    void *as_pointer;
    void (*as_function)(void);
} lt_max_align;

#define LT_ARENA_ALIGN sizeof(lt_max_align)

static size_t lt_align_up(size_t n, size_t align)
{
    size_t rest = n % align;

    return rest == 0 ? n : n + (align - rest);
}

/** Prepare an arena. No memory is taken until the first allocation. */
void lt_arena_init(lt_arena *arena, size_t block_size)
{
    arena->head = NULL;
    arena->block_size = block_size < 256 ? 256 : block_size;
    arena->total = 0;
}

/** Allocate size bytes, suitably aligned, or return NULL. */
void *lt_arena_alloc(lt_arena *arena, size_t size)
{
    size_t header = lt_align_up(sizeof(lt_arena_block), LT_ARENA_ALIGN);
    lt_arena_block *block = arena->head;
    unsigned char *base;

    if (size > SIZE_MAX / 2)
        return NULL;
    size = lt_align_up(size == 0 ? 1 : size, LT_ARENA_ALIGN);

    if (block == NULL || block->capacity - block->used < size) {
        size_t capacity = LT_MAX(size, arena->block_size);

        block = malloc(header + capacity);
        if (block == NULL)
            return NULL;
        block->capacity = capacity;
        block->used = 0;
        block->next = arena->head;
        arena->head = block;
    }

    base = (unsigned char *)block + header + block->used;
    block->used += size;
    arena->total += size;
    return base;
}

/** Copy a run of bytes into the arena and append a terminating zero. */
char *lt_arena_strndup(lt_arena *arena, const char *text, size_t length)
{
    char *copy = lt_arena_alloc(arena, length + 1);

    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

/** Forget every allocation but keep the most recent block for reuse. */
void lt_arena_reset(lt_arena *arena)
{
    lt_arena_block *keep = arena->head;

    if (keep == NULL)
        return;
    while (keep->next != NULL) {
        lt_arena_block *victim = keep->next;

        keep->next = victim->next;
        free(victim);
    }
    keep->used = 0;
    arena->total = 0;
}

/** Give all memory back to the system. */
void lt_arena_free(lt_arena *arena)
{
    while (arena->head != NULL) {
        lt_arena_block *next = arena->head->next;

        free(arena->head);
        arena->head = next;
    }
    arena->total = 0;
}

/* ------------------------------------------------------------------ */
/* Dynamic arrays                                                      */
/* ------------------------------------------------------------------ */

/** A growable array of elements that all have the same size. */
typedef struct {
    unsigned char *data;
    size_t count;
    size_t capacity;
    size_t item_size;
} lt_vec;

/** Prepare an empty array of items that are item_size bytes each. */
void lt_vec_init(lt_vec *vec, size_t item_size)
{
    vec->data = NULL;
    vec->count = 0;
    vec->capacity = 0;
    vec->item_size = item_size;
}

/** Release the storage; the array becomes empty and stays usable. */
void lt_vec_free(lt_vec *vec)
{
    free(vec->data);
    vec->data = NULL;
    vec->count = 0;
    vec->capacity = 0;
}

/** Make room for at least capacity items in total. */
lt_status lt_vec_reserve(lt_vec *vec, size_t capacity)
{
    size_t bytes;
    unsigned char *grown;

    if (capacity <= vec->capacity)
        return LT_OK;
    if (!lt_mul_size(capacity, vec->item_size, &bytes))
        return LT_ERR_MEMORY;
    grown = realloc(vec->data, bytes);
    if (grown == NULL)
        return LT_ERR_MEMORY;
    vec->data = grown;
    vec->capacity = capacity;
    return LT_OK;
}

/** Return the address of item i. The caller promises i < count. */
void *lt_vec_at(const lt_vec *vec, size_t i)
{
    return vec->data + i * vec->item_size;
}

/** Append a copy of *item. */
lt_status lt_vec_push(lt_vec *vec, const void *item)
{
    if (vec->count == vec->capacity) {
        size_t wanted = vec->capacity < 8 ? 8 : vec->capacity * 2;
        lt_status status = lt_vec_reserve(vec, wanted);

        if (status != LT_OK)
            return status;
    }
    memcpy(lt_vec_at(vec, vec->count), item, vec->item_size);
    vec->count++;
    return LT_OK;
}

/** Remove the last item and, unless out is NULL, copy it there. */
lt_status lt_vec_pop(lt_vec *vec, void *out)
{
    if (vec->count == 0)
        return LT_ERR_EMPTY;
    vec->count--;
    if (out != NULL)
        memcpy(out, lt_vec_at(vec, vec->count), vec->item_size);
    return LT_OK;
}

/** Insert a copy of *item before position i, which may equal count. */
lt_status lt_vec_insert(lt_vec *vec, size_t i, const void *item)
{
    lt_status status;

    if (i > vec->count)
        return LT_ERR_RANGE;
    status = lt_vec_push(vec, item);   /* makes room for one more */
    if (status != LT_OK)
        return status;
    if (i + 1 < vec->count) {
        size_t tail = (vec->count - 1 - i) * vec->item_size;

        memmove((unsigned char *)lt_vec_at(vec, i) + vec->item_size,
                lt_vec_at(vec, i), tail);
        memcpy(lt_vec_at(vec, i), item, vec->item_size);
    }
    return LT_OK;
}

/** Delete item i and close the gap, keeping the order of the rest. */
lt_status lt_vec_remove(lt_vec *vec, size_t i)
{
    if (i >= vec->count)
        return LT_ERR_RANGE;
    memmove(lt_vec_at(vec, i),
            (unsigned char *)lt_vec_at(vec, i) + vec->item_size,
            (vec->count - 1 - i) * vec->item_size);
    vec->count--;
    return LT_OK;
}

/** Reverse the items in place. */
void lt_vec_reverse(lt_vec *vec)
{
    size_t lo = 0;
    size_t hi = vec->count;

    while (lo + 1 < hi) {
        hi--;
        lt_swap_bytes(lt_vec_at(vec, lo), lt_vec_at(vec, hi),
                      vec->item_size);
        lo++;
    }
}

/* ------------------------------------------------------------------ */
/* Strings                                                             */
/* ------------------------------------------------------------------ */

/**
 * A growable byte string. The text is always followed by a zero byte, so
 * it may be passed to C functions, but embedded zeros are allowed too.
 */
typedef struct {
    char *text;
    size_t length;
    size_t capacity;       /* bytes allocated, terminator included */
} lt_str;

/** Prepare an empty string. */
void lt_str_init(lt_str *s)
{
    s->text = NULL;
    s->length = 0;
    s->capacity = 0;
}

/** Release the storage of a string. */
void lt_str_free(lt_str *s)
{
    free(s->text);
    lt_str_init(s);
}

/** Return the text as a C string, never NULL. */
const char *lt_str_cstr(const lt_str *s)
{
    return s->text != NULL ? s->text : "";
}

/** Make sure that extra more bytes fit without reallocation. */
lt_status lt_str_reserve(lt_str *s, size_t extra)
{
    size_t needed;
    size_t capacity;
    char *grown;

    if (extra > SIZE_MAX / 2 - s->length)
        return LT_ERR_MEMORY;
    needed = s->length + extra + 1;
    if (needed <= s->capacity)
        return LT_OK;
    capacity = lt_next_pow2(LT_MAX(needed, (size_t)16));
    grown = realloc(s->text, capacity);
    if (grown == NULL)
        return LT_ERR_MEMORY;
    grown[s->length] = '\0';
    s->text = grown;
    s->capacity = capacity;
    return LT_OK;
}

/** Append length bytes. */
lt_status lt_str_append_n(lt_str *s, const char *bytes, size_t length)
{
    lt_status status = lt_str_reserve(s, length);

    if (status != LT_OK)
        return status;
    if (length > 0)
        memcpy(s->text + s->length, bytes, length);
    s->length += length;
    s->text[s->length] = '\0';
    return LT_OK;
}

/** Append a zero terminated string. */
lt_status lt_str_append(lt_str *s, const char *text)
{
    return lt_str_append_n(s, text, strlen(text));
}

/** Append a single character. */
lt_status lt_str_push(lt_str *s, char c)
{
    return lt_str_append_n(s, &c, 1);
}

/** Append formatted text, as printf would print it. */
lt_status lt_str_appendf(lt_str *s, const char *format, ...)
{
    va_list args;
    int needed;
    lt_status status;

    va_start(args, format);
    needed = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (needed < 0)
        return LT_ERR_SYNTAX;

    status = lt_str_reserve(s, (size_t)needed);
    if (status != LT_OK)
        return status;

    va_start(args, format);
    vsnprintf(s->text + s->length, (size_t)needed + 1, format, args);
    va_end(args);
    s->length += (size_t)needed;
    return LT_OK;
}

/** Shorten a string to zero length without giving up its storage. */
void lt_str_clear(lt_str *s)
{
    s->length = 0;
    if (s->text != NULL)
        s->text[0] = '\0';
}

/** Remove white space from both ends. */
void lt_str_trim(lt_str *s)
{
    size_t first = 0;
    size_t last = s->length;

    if (s->text == NULL)
        return;
    while (first < last && isspace((unsigned char)s->text[first]))
        first++;
    while (last > first && isspace((unsigned char)s->text[last - 1]))
        last--;
    memmove(s->text, s->text + first, last - first);
    s->length = last - first;
    s->text[s->length] = '\0';
}

/** Replace every occurrence of one piece of text by another. */
lt_status lt_str_replace(lt_str *s, const char *from, const char *to)
{
    size_t from_length = strlen(from);
    const char *cursor = lt_str_cstr(s);
    const char *hit;
    lt_str result;
    lt_status status = LT_OK;

    if (from_length == 0)
        return LT_ERR_RANGE;
    lt_str_init(&result);
    while ((hit = strstr(cursor, from)) != NULL) {
        status = lt_str_append_n(&result, cursor, (size_t)(hit - cursor));
        if (status == LT_OK)
            status = lt_str_append(&result, to);
        if (status != LT_OK) {
            lt_str_free(&result);
            return status;
        }
        cursor = hit + from_length;
    }
    status = lt_str_append(&result, cursor);
    if (status != LT_OK) {
        lt_str_free(&result);
        return status;
    }
    lt_str_free(s);
    *s = result;
    return LT_OK;
}

/** A view of somebody else's characters. */
typedef struct {
    const char *text;
    size_t length;
} lt_slice;

/**
 * Cut the next field off the front of *rest. Fields are separated by the
 * given character. Returns false when there are no more fields. An empty
 * input holds exactly one empty field.
 */
bool lt_slice_split(lt_slice *rest, char separator, lt_slice *field)
{
    const char *hit;

    if (rest->text == NULL)
        return false;
    hit = memchr(rest->text, separator, rest->length);
    field->text = rest->text;
    if (hit == NULL) {
        field->length = rest->length;
        rest->text = NULL;
        rest->length = 0;
    } else {
        field->length = (size_t)(hit - rest->text);
        rest->length -= field->length + 1;
        rest->text = hit + 1;
    }
    return true;
}

/** Compare a slice with a C string. */
bool lt_slice_equals(lt_slice slice, const char *text)
{
    size_t length = strlen(text);

    return slice.length == length
        && memcmp(slice.text, text, length) == 0;
}

/* ------------------------------------------------------------------ */
/* Hash map                                                            */
/* ------------------------------------------------------------------ */

/*
 * A map from strings to pointers with open addressing and linear probing.
 * Deletion shifts later entries back instead of leaving tombstones, so a
 * table that has seen many deletions is as fast as a fresh one.
 */

typedef struct {
    char *key;             /* NULL marks a free slot */
    void *value;
    uint64_t hash;
} lt_map_slot;

typedef struct {
    lt_map_slot *slots;
    size_t capacity;       /* a power of two, or zero */
    size_t count;
} lt_map;

/** The 64 bit FNV-1a hash of a run of bytes. */
uint64_t lt_hash_bytes(const void *bytes, size_t length)
{
    const unsigned char *p = bytes;
    uint64_t hash = UINT64_C(14695981039346656037);
    size_t i;

    for (i = 0; i < length; i++) {
        hash ^= p[i];
        hash *= UINT64_C(1099511628211);
    }
    return hash;
}

/** Prepare an empty map. */
void lt_map_init(lt_map *map)
{
    map->slots = NULL;
    map->capacity = 0;
    map->count = 0;
}

/** Release the map and its copies of the keys, but not the values. */
void lt_map_free(lt_map *map)
{
    size_t i;

    for (i = 0; i < map->capacity; i++)
        free(map->slots[i].key);
    free(map->slots);
    lt_map_init(map);
}

/** Find the slot that holds the key, or the free slot where it belongs. */
static size_t lt_map_locate(const lt_map *map, const char *key,
                            uint64_t hash)
{
    size_t mask = map->capacity - 1;
    size_t i = (size_t)hash & mask;

    while (map->slots[i].key != NULL) {
        if (map->slots[i].hash == hash
            && strcmp(map->slots[i].key, key) == 0)
            break;
        i = (i + 1) & mask;
    }
    return i;
}

static lt_status lt_map_grow(lt_map *map)
{
    lt_map bigger;
    size_t i;

    bigger.capacity = map->capacity == 0 ? 16 : map->capacity * 2;
    bigger.count = map->count;
    bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return LT_ERR_MEMORY;
    for (i = 0; i < map->capacity; i++) {
        lt_map_slot *old = &map->slots[i];

        if (old->key != NULL) {
            size_t at = lt_map_locate(&bigger, old->key, old->hash);

            bigger.slots[at] = *old;
        }
    }
    free(map->slots);
    *map = bigger;
    return LT_OK;
}

/** Store a value under a key, replacing any previous value. */
lt_status lt_map_put(lt_map *map, const char *key, void *value)
{
    uint64_t hash = lt_hash_bytes(key, strlen(key));
    size_t length;
    size_t i;
    char *copy;

    if (4 * (map->count + 1) > 3 * map->capacity) {
        lt_status status = lt_map_grow(map);

        if (status != LT_OK)
            return status;
    }
    i = lt_map_locate(map, key, hash);
    if (map->slots[i].key != NULL) {
        map->slots[i].value = value;
        return LT_OK;
    }
    length = strlen(key) + 1;
    copy = malloc(length);
    if (copy == NULL)
        return LT_ERR_MEMORY;
    memcpy(copy, key, length);
    map->slots[i].key = copy;
    map->slots[i].value = value;
    map->slots[i].hash = hash;
    map->count++;
    return LT_OK;
}

/** Look a key up. Returns false when it is absent. */
bool lt_map_get(const lt_map *map, const char *key, void **value)
{
    size_t i;

    if (map->count == 0)
        return false;
    i = lt_map_locate(map, key, lt_hash_bytes(key, strlen(key)));
    if (map->slots[i].key == NULL)
        return false;
    if (value != NULL)
        *value = map->slots[i].value;
    return true;
}

/** Delete a key. Returns false when it was not there to begin with. */
bool lt_map_remove(lt_map *map, const char *key)
{
    size_t mask = map->capacity - 1;
    size_t hole;
    size_t probe;

    if (map->count == 0)
        return false;
    hole = lt_map_locate(map, key, lt_hash_bytes(key, strlen(key)));
    if (map->slots[hole].key == NULL)
        return false;
    free(map->slots[hole].key);
    map->count--;

    /* Walk the cluster and pull back entries that may fill the hole. */
    probe = hole;
    for (;;) {
        size_t home;

        probe = (probe + 1) & mask;
        if (map->slots[probe].key == NULL)
            break;
        home = (size_t)map->slots[probe].hash & mask;
        if (((probe - home) & mask) >= ((probe - hole) & mask)) {
            map->slots[hole] = map->slots[probe];
            hole = probe;
        }
    }
    map->slots[hole].key = NULL;
    map->slots[hole].value = NULL;
    return true;
}

/**
 * Visit the entries in no particular order. Start with *cursor set to
 * zero; the function returns false after the last entry.
 */
bool lt_map_next(const lt_map *map, size_t *cursor,
                 const char **key, void **value)
{
    while (*cursor < map->capacity) {
        const lt_map_slot *slot = &map->slots[(*cursor)++];

        if (slot->key != NULL) {
            *key = slot->key;
            *value = slot->value;
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------ */
/* Binary heap                                                         */
/* ------------------------------------------------------------------ */

/** A priority queue; the item that compares smallest comes out first. */
typedef struct {
    lt_vec items;
    lt_compare_fn compare;
    void *user;
} lt_heap;

/** Prepare an empty heap. */
void lt_heap_init(lt_heap *heap, size_t item_size,
                  lt_compare_fn compare, void *user)
{
    lt_vec_init(&heap->items, item_size);
    heap->compare = compare;
    heap->user = user;
}

/** Release the storage of a heap. */
void lt_heap_free(lt_heap *heap)
{
    lt_vec_free(&heap->items);
}

static bool lt_heap_less(const lt_heap *heap, size_t i, size_t j)
{
    return heap->compare(lt_vec_at(&heap->items, i),
                         lt_vec_at(&heap->items, j), heap->user) < 0;
}

static void lt_heap_swap(lt_heap *heap, size_t i, size_t j)
{
    lt_swap_bytes(lt_vec_at(&heap->items, i),
                  lt_vec_at(&heap->items, j), heap->items.item_size);
}

/** Add a copy of *item. */
lt_status lt_heap_push(lt_heap *heap, const void *item)
{
    size_t child = heap->items.count;
    lt_status status = lt_vec_push(&heap->items, item);

    if (status != LT_OK)
        return status;
    while (child > 0) {
        size_t parent = (child - 1) / 2;

        if (!lt_heap_less(heap, child, parent))
            break;
        lt_heap_swap(heap, child, parent);
        child = parent;
    }
    return LT_OK;
}

/** Remove the smallest item and copy it to *out. */
lt_status lt_heap_pop(lt_heap *heap, void *out)
{
    size_t count = heap->items.count;
    size_t parent = 0;

    if (count == 0)
        return LT_ERR_EMPTY;
    if (count > 1)
        lt_heap_swap(heap, 0, count - 1);
    lt_vec_pop(&heap->items, out);
    count--;

    for (;;) {
        size_t left = 2 * parent + 1;
        size_t right = left + 1;
        size_t least = parent;

        if (left < count && lt_heap_less(heap, left, least))
            least = left;
        if (right < count && lt_heap_less(heap, right, least))
            least = right;
        if (least == parent)
            break;
        lt_heap_swap(heap, parent, least);
        parent = least;
    }
    return LT_OK;
}

/* ------------------------------------------------------------------ */
/* AVL tree                                                            */
/* ------------------------------------------------------------------ */

/*
 * An ordered map from 64 bit integers to pointers. The heights of the two
 * subtrees of any node differ by at most one, which keeps the depth of a
 * tree with n nodes below 1.45 log2(n + 2).
 */

typedef struct lt_avl_node {
    struct lt_avl_node *left;
    struct lt_avl_node *right;
    int64_t key;
    void *value;
    int height;
} lt_avl_node;

typedef struct {
    lt_avl_node *root;
    size_t count;
} lt_avl;

/** Prepare an empty tree. */
void lt_avl_init(lt_avl *tree)
{
    tree->root = NULL;
    tree->count = 0;
}

static int lt_avl_height(const lt_avl_node *node)
{
    return node == NULL ? 0 : node->height;
}

static void lt_avl_update(lt_avl_node *node)
{
    int left = lt_avl_height(node->left);
    int right = lt_avl_height(node->right);

    node->height = 1 + LT_MAX(left, right);
}

static lt_avl_node *lt_avl_rotate_right(lt_avl_node *node)
{
    lt_avl_node *pivot = node->left;

    node->left = pivot->right;
    pivot->right = node;
    lt_avl_update(node);
    lt_avl_update(pivot);
    return pivot;
}

static lt_avl_node *lt_avl_rotate_left(lt_avl_node *node)
{
    lt_avl_node *pivot = node->right;

    node->right = pivot->left;
    pivot->left = node;
    lt_avl_update(node);
    lt_avl_update(pivot);
    return pivot;
}

/** Restore the balance of a node whose subtrees are balanced. */
static lt_avl_node *lt_avl_balance(lt_avl_node *node)
{
    int tilt = lt_avl_height(node->left) - lt_avl_height(node->right);

    if (tilt > 1) {
        lt_avl_node *child = node->left;

        if (lt_avl_height(child->left) < lt_avl_height(child->right))
            node->left = lt_avl_rotate_left(child);
        return lt_avl_rotate_right(node);
    }
    if (tilt < -1) {
        lt_avl_node *child = node->right;

        if (lt_avl_height(child->right) < lt_avl_height(child->left))
            node->right = lt_avl_rotate_right(child);
        return lt_avl_rotate_left(node);
    }
    lt_avl_update(node);
    return node;
}

static lt_avl_node *lt_avl_insert_at(lt_avl *tree, lt_avl_node *node,
                                     int64_t key, void *value,
                                     lt_status *status)
{
    if (node == NULL) {
        node = malloc(sizeof *node);
        if (node == NULL) {
            *status = LT_ERR_MEMORY;
            return NULL;
        }
        node->left = NULL;
        node->right = NULL;
        node->key = key;
        node->value = value;
        node->height = 1;
        tree->count++;
        return node;
    }
    if (key == node->key) {
        node->value = value;
        return node;
    }
    if (key < node->key)
        node->left = lt_avl_insert_at(tree, node->left, key, value, status);
    else
        node->right = lt_avl_insert_at(tree, node->right, key, value,
                                       status);
    return lt_avl_balance(node);
}

/** Store a value under a key, replacing any previous value. */
lt_status lt_avl_put(lt_avl *tree, int64_t key, void *value)
{
    lt_status status = LT_OK;

    tree->root = lt_avl_insert_at(tree, tree->root, key, value, &status);
    return status;
}

/** Return the node with the given key, or NULL. */
lt_avl_node *lt_avl_find(const lt_avl *tree, int64_t key)
{
    lt_avl_node *node = tree->root;

    while (node != NULL && node->key != key)
        node = key < node->key ? node->left : node->right;
    return node;
}

/** Return the node with the smallest key that is not below the bound. */
lt_avl_node *lt_avl_lower_bound(const lt_avl *tree, int64_t bound)
{
    lt_avl_node *node = tree->root;
    lt_avl_node *best = NULL;

    while (node != NULL) {
        if (node->key < bound) {
            node = node->right;
        } else {
            best = node;
            node = node->left;
        }
    }
    return best;
}

/** Detach the leftmost node of a subtree and return the rest. */
static lt_avl_node *lt_avl_detach_min(lt_avl_node *node,
                                      lt_avl_node **least)
{
    if (node->left == NULL) {
        *least = node;
        return node->right;
    }
    node->left = lt_avl_detach_min(node->left, least);
    return lt_avl_balance(node);
}

static lt_avl_node *lt_avl_remove_at(lt_avl *tree, lt_avl_node *node,
                                     int64_t key, bool *found)
{
    lt_avl_node *heir;

    if (node == NULL)
        return NULL;
    if (key < node->key) {
        node->left = lt_avl_remove_at(tree, node->left, key, found);
        return lt_avl_balance(node);
    }
    if (key > node->key) {
        node->right = lt_avl_remove_at(tree, node->right, key, found);
        return lt_avl_balance(node);
    }

    *found = true;
    tree->count--;
    if (node->left == NULL || node->right == NULL) {
        heir = node->left != NULL ? node->left : node->right;
        free(node);
        return heir;
    }
    node->right = lt_avl_detach_min(node->right, &heir);
    heir->left = node->left;
    heir->right = node->right;
    free(node);
    return lt_avl_balance(heir);
}

/** Delete a key. Returns false when it was absent. */
bool lt_avl_remove(lt_avl *tree, int64_t key)
{
    bool found = false;

    tree->root = lt_avl_remove_at(tree, tree->root, key, &found);
    return found;
}

/** Called for each node of a tree; return false to stop the walk. */
typedef bool (*lt_avl_visit_fn)(lt_avl_node *node, void *user);

static bool lt_avl_walk_at(lt_avl_node *node, lt_avl_visit_fn visit,
                           void *user)
{
    if (node == NULL)
        return true;
    return lt_avl_walk_at(node->left, visit, user)
        && visit(node, user)
        && lt_avl_walk_at(node->right, visit, user);
}

/** Visit all nodes in ascending order of their keys. */
bool lt_avl_walk(const lt_avl *tree, lt_avl_visit_fn visit, void *user)
{
    return lt_avl_walk_at(tree->root, visit, user);
}

static void lt_avl_free_at(lt_avl_node *node)
{
    while (node != NULL) {
        lt_avl_node *right = node->right;

        lt_avl_free_at(node->left);
        free(node);
        node = right;
    }
}

/** Release all nodes. */
void lt_avl_free(lt_avl *tree)
{
    lt_avl_free_at(tree->root);
    lt_avl_init(tree);
}

/* ------------------------------------------------------------------ */
/* Ring buffer                                                         */
/* ------------------------------------------------------------------ */

/*
 * A byte queue of fixed capacity. The two positions only ever increase;
 * masking them yields the offset in the buffer, and their difference is
 * the number of bytes waiting, so no slot has to be kept empty.
 */

typedef struct {
    unsigned char *data;
    size_t mask;
    size_t read_pos;
    size_t write_pos;
} lt_ring;

/** Create a ring that holds at least capacity bytes. */
lt_status lt_ring_init(lt_ring *ring, size_t capacity)
{
    size_t size = lt_next_pow2(capacity);

    ring->mask = size - 1;
    ring->read_pos = 0;
    ring->write_pos = 0;
    ring->data = malloc(size);
    return ring->data == NULL ? LT_ERR_MEMORY : LT_OK;
}

/** Release the buffer. */
void lt_ring_free(lt_ring *ring)
{
    free(ring->data);
    ring->data = NULL;
    ring->read_pos = 0;
    ring->write_pos = 0;
}

/** The number of bytes that can be read. */
size_t lt_ring_used(const lt_ring *ring)
{
    return ring->write_pos - ring->read_pos;
}

/** The number of bytes that can be written. */
size_t lt_ring_space(const lt_ring *ring)
{
    return ring->mask + 1 - lt_ring_used(ring);
}

/** Write up to length bytes and return how many were accepted. */
size_t lt_ring_write(lt_ring *ring, const void *bytes, size_t length)
{
    const unsigned char *source = bytes;
    size_t amount = LT_MIN(length, lt_ring_space(ring));
    size_t offset = ring->write_pos & ring->mask;
    size_t first = LT_MIN(amount, ring->mask + 1 - offset);

    memcpy(ring->data + offset, source, first);
    memcpy(ring->data, source + first, amount - first);
    ring->write_pos += amount;
    return amount;
}

/** Read up to length bytes and return how many were delivered. */
size_t lt_ring_read(lt_ring *ring, void *bytes, size_t length)
{
    unsigned char *target = bytes;
    size_t amount = LT_MIN(length, lt_ring_used(ring));
    size_t offset = ring->read_pos & ring->mask;
    size_t first = LT_MIN(amount, ring->mask + 1 - offset);

    memcpy(target, ring->data + offset, first);
    memcpy(target + first, ring->data, amount - first);
    ring->read_pos += amount;
    return amount;
}

/* ------------------------------------------------------------------ */
/* Bit sets                                                            */
/* ------------------------------------------------------------------ */

/** A set of small integers, one bit for each. */
typedef struct {
    uint32_t *words;
    size_t bits;
} lt_bitset;

#define LT_BITS_PER_WORD 32

static size_t lt_bitset_words(size_t bits)
{
    return (bits + LT_BITS_PER_WORD - 1) / LT_BITS_PER_WORD;
}

/** Create a set that can hold the integers from 0 to bits - 1. */
lt_status lt_bitset_init(lt_bitset *set, size_t bits)
{
    size_t words = lt_bitset_words(bits);

    set->bits = bits;
    set->words = calloc(words == 0 ? 1 : words, sizeof *set->words);
    return set->words == NULL ? LT_ERR_MEMORY : LT_OK;
}

/** Release a set. */
void lt_bitset_free(lt_bitset *set)
{
    free(set->words);
    set->words = NULL;
    set->bits = 0;
}

/** Add a member. Numbers outside the universe are ignored. */
void lt_bitset_add(lt_bitset *set, size_t i)
{
    if (i < set->bits)
        set->words[i / LT_BITS_PER_WORD] |=
            UINT32_C(1) << (i % LT_BITS_PER_WORD);
}

/** Remove a member. */
void lt_bitset_drop(lt_bitset *set, size_t i)
{
    if (i < set->bits)
        set->words[i / LT_BITS_PER_WORD] &=
            ~(UINT32_C(1) << (i % LT_BITS_PER_WORD));
}

/** Tell whether i is a member. */
bool lt_bitset_has(const lt_bitset *set, size_t i)
{
    return i < set->bits
        && (set->words[i / LT_BITS_PER_WORD]
            >> (i % LT_BITS_PER_WORD) & 1u) != 0;
}

/** Count the one bits of a word by adding neighbours in parallel. */
static unsigned lt_popcount32(uint32_t x)
{
    x = x - ((x >> 1) & UINT32_C(0x55555555));
    x = (x & UINT32_C(0x33333333)) + ((x >> 2) & UINT32_C(0x33333333));
    x = (x + (x >> 4)) & UINT32_C(0x0f0f0f0f);
    return (unsigned)((x * UINT32_C(0x01010101)) >> 24);
}

/** The number of members. */
size_t lt_bitset_count(const lt_bitset *set)
{
    size_t total = 0;
    size_t i;

    for (i = 0; i < lt_bitset_words(set->bits); i++)
        total += lt_popcount32(set->words[i]);
    return total;
}

/** Return the first member that is not below i, or bits if none is. */
size_t lt_bitset_next(const lt_bitset *set, size_t i)
{
    while (i < set->bits) {
        uint32_t word = set->words[i / LT_BITS_PER_WORD]
                        >> (i % LT_BITS_PER_WORD);

        if (word == 0) {
            i = (i / LT_BITS_PER_WORD + 1) * LT_BITS_PER_WORD;
            continue;
        }
        while ((word & 1u) == 0) {
            word >>= 1;
            i++;
        }
        return i;
    }
    return set->bits;
}

/** Keep only those members of a that also belong to b. */
void lt_bitset_intersect(lt_bitset *a, const lt_bitset *b)
{
    size_t wa = lt_bitset_words(a->bits);
    size_t wb = lt_bitset_words(b->bits);
    size_t i;

    for (i = 0; i < wa; i++)
        a->words[i] &= i < wb ? b->words[i] : 0;
}

/* ------------------------------------------------------------------ */
/* Sorting and searching in arrays                                     */
/* ------------------------------------------------------------------ */

#define LT_SORT_SMALL 12

typedef struct {
    unsigned char *base;
    size_t size;
    lt_compare_fn compare;
    void *user;
} lt_sort_job;

static int lt_sort_cmp(const lt_sort_job *job, size_t i, size_t j)
{
    return job->compare(job->base + i * job->size,
                        job->base + j * job->size, job->user);
}

static void lt_sort_swap(const lt_sort_job *job, size_t i, size_t j)
{
    if (i != j)
        lt_swap_bytes(job->base + i * job->size,
                      job->base + j * job->size, job->size);
}

static void lt_sort_insertion(const lt_sort_job *job, size_t first,
                              size_t last)
{
    size_t i;
    size_t j;

    for (i = first + 1; i < last; i++)
        for (j = i; j > first && lt_sort_cmp(job, j, j - 1) < 0; j--)
            lt_sort_swap(job, j, j - 1);
}

static void lt_sort_sift(const lt_sort_job *job, size_t first,
                         size_t parent, size_t count)
{
    for (;;) {
        size_t child = 2 * parent + 1;

        if (child >= count)
            return;
        if (child + 1 < count
            && lt_sort_cmp(job, first + child, first + child + 1) < 0)
            child++;
        if (lt_sort_cmp(job, first + parent, first + child) >= 0)
            return;
        lt_sort_swap(job, first + parent, first + child);
        parent = child;
    }
}

static void lt_sort_heap(const lt_sort_job *job, size_t first, size_t last)
{
    size_t count = last - first;
    size_t i;

    for (i = count / 2; i > 0; i--)
        lt_sort_sift(job, first, i - 1, count);
    while (count > 1) {
        count--;
        lt_sort_swap(job, first, first + count);
        lt_sort_sift(job, first, 0, count);
    }
}

/**
 * Quicksort with the median of three as its pivot. When the recursion
 * gets suspiciously deep the range is handed to heapsort, so the running
 * time never exceeds order n log n.
 */
static void lt_sort_intro(const lt_sort_job *job, size_t first,
                          size_t last, int depth)
{
    while (last - first > LT_SORT_SMALL) {
        size_t middle = first + (last - first) / 2;
        size_t lo = first;
        size_t hi = last;

        if (depth-- == 0) {
            lt_sort_heap(job, first, last);
            return;
        }

        /* Move the median of the three samples to the front. */
        if (lt_sort_cmp(job, middle, last - 1) > 0)
            lt_sort_swap(job, middle, last - 1);
        if (lt_sort_cmp(job, first, last - 1) > 0)
            lt_sort_swap(job, first, last - 1);
        if (lt_sort_cmp(job, first, middle) < 0)
            lt_sort_swap(job, first, middle);

        for (;;) {
            do
                lo++;
            while (lo < last && lt_sort_cmp(job, lo, first) < 0);
            do
                hi--;
            while (lt_sort_cmp(job, hi, first) > 0);
            if (lo >= hi)
                break;
            lt_sort_swap(job, lo, hi);
        }
        lt_sort_swap(job, first, hi);

        /* Recurse into the smaller part and loop on the larger one. */
        if (hi - first < last - hi - 1) {
            lt_sort_intro(job, first, hi, depth);
            first = hi + 1;
        } else {
            lt_sort_intro(job, hi + 1, last, depth);
            last = hi;
        }
    }
    lt_sort_insertion(job, first, last);
}

/** Sort an array. The order of equal items is unspecified. */
void lt_sort(void *base, size_t count, size_t size,
             lt_compare_fn compare, void *user)
{
    lt_sort_job job;
    size_t n;
    int depth = 0;

    job.base = base;
    job.size = size;
    job.compare = compare;
    job.user = user;
    for (n = count; n > 1; n /= 2)
        depth += 2;
    if (count > 1)
        lt_sort_intro(&job, 0, count, depth);
}

/** Merge sort: slower than lt_sort, but equal items keep their order. */
lt_status lt_sort_stable(void *base, size_t count, size_t size,
                         lt_compare_fn compare, void *user)
{
    unsigned char *from = base;
    unsigned char *to;
    unsigned char *spare;
    size_t bytes;
    size_t width;

    if (count < 2)
        return LT_OK;
    if (!lt_mul_size(count, size, &bytes))
        return LT_ERR_MEMORY;
    spare = malloc(bytes);
    if (spare == NULL)
        return LT_ERR_MEMORY;

    to = spare;
    for (width = 1; width < count; width *= 2) {
        unsigned char *swap;
        size_t start;

        for (start = 0; start < count; start += 2 * width) {
            size_t middle = LT_MIN(start + width, count);
            size_t end = LT_MIN(start + 2 * width, count);
            size_t left = start;
            size_t right = middle;
            size_t out;

            for (out = start; out < end; out++) {
                size_t pick;

                if (left == middle)
                    pick = right++;
                else if (right == end)
                    pick = left++;
                else if (compare(from + right * size,
                                 from + left * size, user) < 0)
                    pick = right++;
                else
                    pick = left++;
                memcpy(to + out * size, from + pick * size, size);
            }
        }
        swap = from;
        from = to;
        to = swap;
    }
    if (from != base)
        memcpy(base, from, bytes);
    free(spare);
    return LT_OK;
}

/**
 * Binary search in a sorted array. Returns the index of the first item
 * that is not less than the key, which is count if all of them are.
 */
size_t lt_lower_bound(const void *base, size_t count, size_t size,
                      const void *key, lt_compare_fn compare, void *user)
{
    const unsigned char *bytes = base;
    size_t lo = 0;
    size_t hi = count;

    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;

        if (compare(bytes + middle * size, key, user) < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

/* ------------------------------------------------------------------ */
/* Searching for text                                                  */
/* ------------------------------------------------------------------ */

#define LT_NOT_FOUND SIZE_MAX

/**
 * Find a needle with the algorithm of Knuth, Morris and Pratt. The table
 * tells, for each prefix of the needle, the length of its longest proper
 * border; after a mismatch the search resumes there and never backs up
 * in the haystack. Returns the offset, or LT_NOT_FOUND.
 */
size_t lt_find_kmp(const char *haystack, size_t hay_length,
                   const char *needle, size_t needle_length)
{
    size_t *border;
    size_t matched = 0;
    size_t i;
    size_t result = LT_NOT_FOUND;

    if (needle_length == 0)
        return 0;
    if (needle_length > hay_length
        || needle_length > SIZE_MAX / sizeof *border)
        return LT_NOT_FOUND;
    border = malloc(needle_length * sizeof *border);
    if (border == NULL)
        return LT_NOT_FOUND;

    border[0] = 0;
    for (i = 1; i < needle_length; i++) {
        while (matched > 0 && needle[i] != needle[matched])
            matched = border[matched - 1];
        if (needle[i] == needle[matched])
            matched++;
        border[i] = matched;
    }

    matched = 0;
    for (i = 0; i < hay_length; i++) {
        while (matched > 0 && haystack[i] != needle[matched])
            matched = border[matched - 1];
        if (haystack[i] == needle[matched])
            matched++;
        if (matched == needle_length) {
            result = i + 1 - needle_length;
            break;
        }
    }
    free(border);
    return result;
}

/**
 * Find a needle with Horspool's variant of the Boyer-Moore search. The
 * character under the end of the window decides how far the window may
 * move, which is often the whole length of the needle.
 */
size_t lt_find_bmh(const char *haystack, size_t hay_length,
                   const char *needle, size_t needle_length)
{
    size_t shift[UCHAR_MAX + 1];
    size_t at = 0;
    size_t i;

    if (needle_length == 0)
        return 0;
    for (i = 0; i <= UCHAR_MAX; i++)
        shift[i] = needle_length;
    for (i = 0; i + 1 < needle_length; i++)
        shift[(unsigned char)needle[i]] = needle_length - 1 - i;

    while (needle_length <= hay_length
           && at <= hay_length - needle_length) {
        unsigned char last = (unsigned char)haystack[at + needle_length - 1];

        if (memcmp(haystack + at, needle, needle_length) == 0)
            return at;
        at += shift[last];
    }
    return LT_NOT_FOUND;
}

/**
 * Match a name against a shell style pattern, in which a question mark
 * stands for any one character and an asterisk for any run of them.
 */
bool lt_glob(const char *pattern, const char *name)
{
    const char *star = NULL;
    const char *retry = NULL;

    while (*name != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            retry = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star + 1;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/**
 * The edit distance of Levenshtein: how many insertions, deletions and
 * substitutions turn one word into the other. Only one row of the table
 * is kept. Returns LT_NOT_FOUND if memory runs out.
 */
size_t lt_edit_distance(const char *a, const char *b)
{
    size_t columns = strlen(b);
    size_t *row = malloc((columns + 1) * sizeof *row);
    size_t result;
    size_t i;
    size_t j;

    if (row == NULL)
        return LT_NOT_FOUND;
    for (j = 0; j <= columns; j++)
        row[j] = j;
    for (i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (j = 1; j <= columns; j++) {
            size_t replace = diagonal + (a[i] != b[j - 1]);
            size_t shortest = LT_MIN(row[j], row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = LT_MIN(replace, shortest);
        }
    }
    result = row[columns];
    free(row);
    return result;
}

/* ------------------------------------------------------------------ */
/* UTF-8                                                               */
/* ------------------------------------------------------------------ */

/** What a decoder yields for bytes that are not valid UTF-8. */
#define LT_REPLACEMENT UINT32_C(0xfffd)

/**
 * Decode one character. Returns the number of bytes it takes, or zero at
 * the end of the input. A malformed sequence counts as one byte and is
 * decoded as LT_REPLACEMENT. Overlong forms, surrogates and numbers
 * beyond 0x10ffff are all rejected.
 */
size_t lt_utf8_decode(const char *text, size_t length, uint32_t *code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const unsigned char *p = (const unsigned char *)text;
    size_t needed;
    size_t i;
    uint32_t value;

    if (length == 0)
        return 0;
    if (p[0] < 0x80) {
        *code = p[0];
        return 1;
    }

    *code = LT_REPLACEMENT;
    if ((p[0] & 0xe0) == 0xc0) {
        needed = 2;
        value = p[0] & 0x1fu;
    } else if ((p[0] & 0xf0) == 0xe0) {
        needed = 3;
        value = p[0] & 0x0fu;
    } else if ((p[0] & 0xf8) == 0xf0) {
        needed = 4;
        value = p[0] & 0x07u;
    } else {
        return 1;
    }
    if (needed > length)
        return 1;
    for (i = 1; i < needed; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 1;
        value = value << 6 | (p[i] & 0x3fu);
    }
    if (value < least[needed] || value > 0x10ffff
        || (value >= 0xd800 && value <= 0xdfff))
        return 1;
    *code = value;
    return needed;
}

/** Encode one character and return the number of bytes written. */
size_t lt_utf8_encode(uint32_t code, char out[4])
{
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        code = LT_REPLACEMENT;
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/** Count the characters in a text; bad bytes count as one each. */
size_t lt_utf8_count(const char *text, size_t length)
{
    size_t total = 0;
    uint32_t code;

    while (length > 0) {
        size_t step = lt_utf8_decode(text, length, &code);

        text += step;
        length -= step;
        total++;
    }
    return total;
}

/* ------------------------------------------------------------------ */
/* JSON                                                                */
/* ------------------------------------------------------------------ */

typedef enum {
    LT_JSON_NULL,
    LT_JSON_FALSE,
    LT_JSON_TRUE,
    LT_JSON_NUMBER,
    LT_JSON_STRING,
    LT_JSON_ARRAY,
    LT_JSON_OBJECT
} lt_json_kind;

/**
 * A node of a parsed document. The members of an array or an object form
 * a linked list in the order of the source text.
 */
typedef struct lt_json {
    lt_json_kind kind;
    double number;
    const char *string;        /* decoded, zero terminated */
    size_t string_length;
    const char *key;           /* NULL unless the parent is an object */
    struct lt_json *child;
    struct lt_json *next;
} lt_json;

#define LT_JSON_MAX_DEPTH 128

typedef struct {
    const char *start;
    const char *cursor;
    const char *end;
    lt_arena *arena;
    lt_status status;
    int depth;
} lt_json_parser;

static lt_json *lt_json_value(lt_json_parser *parser);

static void *lt_json_fail(lt_json_parser *parser, lt_status status)
{
    if (parser->status == LT_OK)
        parser->status = status;
    return NULL;
}

static void lt_json_skip_space(lt_json_parser *parser)
{
    while (parser->cursor < parser->end) {
        char c = *parser->cursor;

        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            break;
        parser->cursor++;
    }
}

/** Consume the given character if it comes next. */
static bool lt_json_accept(lt_json_parser *parser, char wanted)
{
    lt_json_skip_space(parser);
    if (parser->cursor == parser->end || *parser->cursor != wanted)
        return false;
    parser->cursor++;
    return true;
}

static lt_json *lt_json_node(lt_json_parser *parser, lt_json_kind kind)
{
    lt_json *node = lt_arena_alloc(parser->arena, sizeof *node);

    if (node == NULL)
        return lt_json_fail(parser, LT_ERR_MEMORY);
    memset(node, 0, sizeof *node);
    node->kind = kind;
    return node;
}

static int lt_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/** Read the four digits of a \u escape. */
static bool lt_json_hex4(lt_json_parser *parser, uint32_t *code)
{
    int i;

    if (parser->end - parser->cursor < 4)
        return false;
    *code = 0;
    for (i = 0; i < 4; i++) {
        int digit = lt_hex_digit(*parser->cursor++);

        if (digit < 0)
            return false;
        *code = *code << 4 | (uint32_t)digit;
    }
    return true;
}

/** Decode an escape sequence; the backslash has been consumed. */
static size_t lt_json_escape(lt_json_parser *parser, char out[4])
{
    uint32_t code;
    uint32_t low;

    if (parser->cursor == parser->end)
        return 0;
    switch (*parser->cursor++) {
    case '"':  out[0] = '"';  return 1;
    case '\\': out[0] = '\\'; return 1;
    case '/':  out[0] = '/';  return 1;
    case 'b':  out[0] = '\b'; return 1;
    case 'f':  out[0] = '\f'; return 1;
    case 'n':  out[0] = '\n'; return 1;
    case 'r':  out[0] = '\r'; return 1;
    case 't':  out[0] = '\t'; return 1;
    case 'u':
        if (!lt_json_hex4(parser, &code))
            return 0;
        if (code >= 0xd800 && code <= 0xdbff) {
            /* A high surrogate must be followed by a low one. */
            if (parser->end - parser->cursor < 2
                || parser->cursor[0] != '\\' || parser->cursor[1] != 'u')
                return 0;
            parser->cursor += 2;
            if (!lt_json_hex4(parser, &low)
                || low < 0xdc00 || low > 0xdfff)
                return 0;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        } else if (code >= 0xdc00 && code <= 0xdfff) {
            return 0;
        }
        return lt_utf8_encode(code, out);
    default:
        return 0;
    }
}

/** Parse a string whose opening quote has been consumed. */
static char *lt_json_string(lt_json_parser *parser, size_t *length)
{
    const char *scan = parser->cursor;
    char *buffer;
    char *out;

    while (scan < parser->end && *scan != '"') {
        if (*scan == '\\')
            scan++;
        scan++;
    }
    if (scan >= parser->end)
        return lt_json_fail(parser, LT_ERR_SYNTAX);

    /* Decoding never makes a string longer than its source. */
    buffer = lt_arena_alloc(parser->arena,
                            (size_t)(scan - parser->cursor) + 1);
    if (buffer == NULL)
        return lt_json_fail(parser, LT_ERR_MEMORY);
    out = buffer;
    while (*parser->cursor != '"') {
        char c = *parser->cursor++;

        if ((unsigned char)c < 0x20)
            return lt_json_fail(parser, LT_ERR_SYNTAX);
        if (c == '\\') {
            char bytes[4];
            size_t count = lt_json_escape(parser, bytes);

            if (count == 0)
                return lt_json_fail(parser, LT_ERR_SYNTAX);
            memcpy(out, bytes, count);
            out += count;
        } else {
            *out++ = c;
        }
    }
    parser->cursor++;
    *out = '\0';
    *length = (size_t)(out - buffer);
    return buffer;
}

static size_t lt_json_digits(lt_json_parser *parser)
{
    const char *first = parser->cursor;

    while (parser->cursor < parser->end
           && *parser->cursor >= '0' && *parser->cursor <= '9')
        parser->cursor++;
    return (size_t)(parser->cursor - first);
}

static lt_json *lt_json_number(lt_json_parser *parser)
{
    const char *first = parser->cursor;
    char local[64];
    size_t length;
    lt_json *node;

    if (*parser->cursor == '-')
        parser->cursor++;
    if (parser->cursor < parser->end && *parser->cursor == '0')
        parser->cursor++;
    else if (lt_json_digits(parser) == 0)
        return lt_json_fail(parser, LT_ERR_SYNTAX);
    if (parser->cursor < parser->end && *parser->cursor == '.') {
        parser->cursor++;
        if (lt_json_digits(parser) == 0)
            return lt_json_fail(parser, LT_ERR_SYNTAX);
    }
    if (parser->cursor < parser->end
        && (*parser->cursor == 'e' || *parser->cursor == 'E')) {
        parser->cursor++;
        if (parser->cursor < parser->end
            && (*parser->cursor == '+' || *parser->cursor == '-'))
            parser->cursor++;
        if (lt_json_digits(parser) == 0)
            return lt_json_fail(parser, LT_ERR_SYNTAX);
    }

    length = (size_t)(parser->cursor - first);
    if (length >= sizeof local)
        return lt_json_fail(parser, LT_ERR_RANGE);
    memcpy(local, first, length);
    local[length] = '\0';
    node = lt_json_node(parser, LT_JSON_NUMBER);
    if (node != NULL)
        node->number = strtod(local, NULL);
    return node;
}

static lt_json *lt_json_word(lt_json_parser *parser, const char *word,
                             lt_json_kind kind)
{
    size_t length = strlen(word);

    if ((size_t)(parser->end - parser->cursor) < length
        || memcmp(parser->cursor, word, length) != 0)
        return lt_json_fail(parser, LT_ERR_SYNTAX);
    parser->cursor += length;
    return lt_json_node(parser, kind);
}

/** Parse the members of an array or object up to the closing bracket. */
static lt_json *lt_json_members(lt_json_parser *parser, lt_json_kind kind,
                                char closer)
{
    lt_json *parent = lt_json_node(parser, kind);
    lt_json **link;

    if (parent == NULL)
        return NULL;
    if (++parser->depth > LT_JSON_MAX_DEPTH)
        return lt_json_fail(parser, LT_ERR_DEPTH);
    link = &parent->child;
    if (!lt_json_accept(parser, closer)) {
        do {
            const char *key = NULL;
            size_t key_length;

            if (kind == LT_JSON_OBJECT) {
                if (!lt_json_accept(parser, '"'))
                    return lt_json_fail(parser, LT_ERR_SYNTAX);
                key = lt_json_string(parser, &key_length);
                if (key == NULL)
                    return NULL;
                if (!lt_json_accept(parser, ':'))
                    return lt_json_fail(parser, LT_ERR_SYNTAX);
            }
            *link = lt_json_value(parser);
            if (*link == NULL)
                return NULL;
            (*link)->key = key;
            link = &(*link)->next;
        } while (lt_json_accept(parser, ','));
        if (!lt_json_accept(parser, closer))
            return lt_json_fail(parser, LT_ERR_SYNTAX);
    }
    parser->depth--;
    return parent;
}

static lt_json *lt_json_value(lt_json_parser *parser)
{
    lt_json *node;

    lt_json_skip_space(parser);
    if (parser->cursor == parser->end)
        return lt_json_fail(parser, LT_ERR_SYNTAX);
    switch (*parser->cursor) {
    case '{':
        parser->cursor++;
        return lt_json_members(parser, LT_JSON_OBJECT, '}');
    case '[':
        parser->cursor++;
        return lt_json_members(parser, LT_JSON_ARRAY, ']');
    case '"':
        parser->cursor++;
        node = lt_json_node(parser, LT_JSON_STRING);
        if (node == NULL)
            return NULL;
        node->string = lt_json_string(parser, &node->string_length);
        return node->string == NULL ? NULL : node;
    case 'n':
        return lt_json_word(parser, "null", LT_JSON_NULL);
    case 't':
        return lt_json_word(parser, "true", LT_JSON_TRUE);
    case 'f':
        return lt_json_word(parser, "false", LT_JSON_FALSE);
    default:
        return lt_json_number(parser);
    }
}

/**
 * Parse a document. All nodes live in the arena. On failure *root is
 * NULL and *where, unless it is NULL, holds the offset of the trouble.
 */
lt_status lt_json_parse(const char *text, size_t length, lt_arena *arena,
                        lt_json **root, size_t *where)
{
    lt_json_parser parser;

    parser.start = text;
    parser.cursor = text;
    parser.end = text + length;
    parser.arena = arena;
    parser.status = LT_OK;
    parser.depth = 0;

    *root = lt_json_value(&parser);
    lt_json_skip_space(&parser);
    if (*root != NULL && parser.cursor != parser.end)
        *root = lt_json_fail(&parser, LT_ERR_SYNTAX);
    if (where != NULL)
        *where = (size_t)(parser.cursor - parser.start);
    return parser.status;
}

/** Find the member of an object with the given key, or NULL. */
const lt_json *lt_json_get(const lt_json *object, const char *key)
{
    const lt_json *member;

    if (object == NULL || object->kind != LT_JSON_OBJECT)
        return NULL;
    for (member = object->child; member != NULL; member = member->next)
        if (strcmp(member->key, key) == 0)
            return member;
    return NULL;
}

/** Return element i of an array, or NULL. */
const lt_json *lt_json_index(const lt_json *array, size_t i)
{
    const lt_json *member;

    if (array == NULL || array->kind != LT_JSON_ARRAY)
        return NULL;
    for (member = array->child; member != NULL && i > 0; i--)
        member = member->next;
    return member;
}

static lt_status lt_json_print_string(lt_str *out, const char *text,
                                      size_t length)
{
    lt_status status = lt_str_push(out, '"');
    size_t i;

    for (i = 0; i < length && status == LT_OK; i++) {
        unsigned char c = (unsigned char)text[i];

        switch (c) {
        case '"':  status = lt_str_append(out, "\\\""); break;
        case '\\': status = lt_str_append(out, "\\\\"); break;
        case '\n': status = lt_str_append(out, "\\n");  break;
        case '\r': status = lt_str_append(out, "\\r");  break;
        case '\t': status = lt_str_append(out, "\\t");  break;
        default:
            if (c < 0x20)
                status = lt_str_appendf(out, "\\u%04x", c);
            else
                status = lt_str_push(out, (char)c);
        }
    }
    return status == LT_OK ? lt_str_push(out, '"') : status;
}

/** Append the compact textual form of a value to a string. */
lt_status lt_json_print(lt_str *out, const lt_json *value)
{
    const lt_json *member;
    bool is_object = value->kind == LT_JSON_OBJECT;
    lt_status status;

    switch (value->kind) {
    case LT_JSON_NULL:
        return lt_str_append(out, "null");
    case LT_JSON_FALSE:
        return lt_str_append(out, "false");
    case LT_JSON_TRUE:
        return lt_str_append(out, "true");
    case LT_JSON_NUMBER:
        return lt_str_appendf(out, "%.15g", value->number);
    case LT_JSON_STRING:
        return lt_json_print_string(out, value->string,
                                    value->string_length);
    case LT_JSON_ARRAY:
    case LT_JSON_OBJECT:
        break;
    }

    status = lt_str_push(out, is_object ? '{' : '[');
    for (member = value->child; member != NULL; member = member->next) {
        if (status == LT_OK && member != value->child)
            status = lt_str_push(out, ',');
        if (status == LT_OK && is_object) {
            status = lt_json_print_string(out, member->key,
                                          strlen(member->key));
            if (status == LT_OK)
                status = lt_str_push(out, ':');
        }
        if (status == LT_OK)
            status = lt_json_print(out, member);
        if (status != LT_OK)
            return status;
    }
    return lt_str_push(out, is_object ? '}' : ']');
}

/* ------------------------------------------------------------------ */
/* Matrices                                                            */
/* ------------------------------------------------------------------ */

/** A dense matrix of doubles, stored row by row. */
typedef struct {
    size_t rows;
    size_t cols;
    double *data;
} lt_matrix;

#define LT_AT(m, r, c) ((m)->data[(r) * (m)->cols + (c)])

/** Create a matrix filled with zeros. */
lt_status lt_matrix_init(lt_matrix *m, size_t rows, size_t cols)
{
    size_t cells;

    m->rows = 0;
    m->cols = 0;
    m->data = NULL;
    if (rows == 0 || cols == 0 || !lt_mul_size(rows, cols, &cells))
        return LT_ERR_RANGE;
    m->data = calloc(cells, sizeof *m->data);
    if (m->data == NULL)
        return LT_ERR_MEMORY;
    m->rows = rows;
    m->cols = cols;
    return LT_OK;
}

/** Release a matrix. */
void lt_matrix_free(lt_matrix *m)
{
    free(m->data);
    m->data = NULL;
    m->rows = 0;
    m->cols = 0;
}

/** Store the product of a and b in out, which must have the right size. */
lt_status lt_matrix_mul(lt_matrix *out, const lt_matrix *a,
                        const lt_matrix *b)
{
    size_t i;
    size_t j;
    size_t k;

    if (a->cols != b->rows || out->rows != a->rows || out->cols != b->cols
        || out == a || out == b)
        return LT_ERR_RANGE;
    memset(out->data, 0, out->rows * out->cols * sizeof *out->data);
    for (i = 0; i < a->rows; i++) {
        for (k = 0; k < a->cols; k++) {
            double factor = LT_AT(a, i, k);

            for (j = 0; j < b->cols; j++)
                LT_AT(out, i, j) += factor * LT_AT(b, k, j);
        }
    }
    return LT_OK;
}

/** Store the transpose of a in out. */
lt_status lt_matrix_transpose(lt_matrix *out, const lt_matrix *a)
{
    size_t r;
    size_t c;

    if (out->rows != a->cols || out->cols != a->rows || out == a)
        return LT_ERR_RANGE;
    for (r = 0; r < a->rows; r++)
        for (c = 0; c < a->cols; c++)
            LT_AT(out, c, r) = LT_AT(a, r, c);
    return LT_OK;
}

/**
 * Factor a square matrix in place into a lower and an upper triangle,
 * exchanging rows so that each pivot is as large as possible. The array
 * order receives the permutation, and the return value is its sign, or
 * zero when the matrix is singular.
 */
int lt_matrix_lu(lt_matrix *m, size_t *order)
{
    size_t n = m->rows;
    size_t i;
    size_t j;
    size_t k;
    int sign = 1;

    for (i = 0; i < n; i++)
        order[i] = i;
    for (k = 0; k < n; k++) {
        size_t pivot = k;

        for (i = k + 1; i < n; i++)
            if (fabs(LT_AT(m, i, k)) > fabs(LT_AT(m, pivot, k)))
                pivot = i;
        if (fabs(LT_AT(m, pivot, k)) < 1e-300)
            return 0;
        if (pivot != k) {
            size_t keep = order[k];

            lt_swap_bytes(&LT_AT(m, pivot, 0), &LT_AT(m, k, 0),
                          n * sizeof *m->data);
            order[k] = order[pivot];
            order[pivot] = keep;
            sign = -sign;
        }
        for (i = k + 1; i < n; i++) {
            double factor = LT_AT(m, i, k) / LT_AT(m, k, k);

            LT_AT(m, i, k) = factor;
            for (j = k + 1; j < n; j++)
                LT_AT(m, i, j) -= factor * LT_AT(m, k, j);
        }
    }
    return sign;
}

/** Solve a x = b for a square matrix. The matrix is overwritten. */
lt_status lt_matrix_solve(lt_matrix *a, const double *b, double *x)
{
    size_t n = a->rows;
    size_t *order;
    size_t i;
    size_t j;

    if (a->rows != a->cols)
        return LT_ERR_RANGE;
    order = malloc(n * sizeof *order);
    if (order == NULL)
        return LT_ERR_MEMORY;
    if (lt_matrix_lu(a, order) == 0) {
        free(order);
        return LT_ERR_MATH;
    }
    for (i = 0; i < n; i++) {
        x[i] = b[order[i]];
        for (j = 0; j < i; j++)
            x[i] -= LT_AT(a, i, j) * x[j];
    }
    for (i = n; i-- > 0;) {
        for (j = i + 1; j < n; j++)
            x[i] -= LT_AT(a, i, j) * x[j];
        x[i] /= LT_AT(a, i, i);
    }
    free(order);
    return LT_OK;
}

/* ------------------------------------------------------------------ */
/* Random numbers                                                      */
/* ------------------------------------------------------------------ */

/** The state of the xoshiro256** generator. */
typedef struct {
    uint64_t s[4];
} lt_rng;

/** One step of splitmix64, used here to spread a seed over the state. */
uint64_t lt_splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t lt_rotl64(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

/** Seed a generator. Equal seeds give equal sequences. */
void lt_rng_seed(lt_rng *rng, uint64_t seed)
{
    size_t i;

    for (i = 0; i < LT_COUNT(rng->s); i++)
        rng->s[i] = lt_splitmix64(&seed);
}

/** Return 64 random bits. */
uint64_t lt_rng_next(lt_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = lt_rotl64(s[1] * 5, 7) * 9;
    uint64_t carry = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= carry;
    s[3] = lt_rotl64(s[3], 45);
    return result;
}

/**
 * Return an integer that is uniform in [0, bound). Values from the ragged
 * end of the 64 bit range are thrown away, so there is no bias.
 */
uint64_t lt_rng_below(lt_rng *rng, uint64_t bound)
{
    uint64_t reject;
    uint64_t value;

    if (bound == 0)
        return 0;
    reject = (UINT64_MAX - bound + 1) % bound;
    do
        value = lt_rng_next(rng);
    while (value < reject);
    return value % bound;
}

/** Return a double that is uniform in [0, 1). */
double lt_rng_unit(lt_rng *rng)
{
    return (double)(lt_rng_next(rng) >> 11) * (1.0 / 9007199254740992.0);
}

/** Return a normally distributed double, by the polar method. */
double lt_rng_normal(lt_rng *rng)
{
    double u;
    double v;
    double r;

    do {
        u = 2.0 * lt_rng_unit(rng) - 1.0;
        v = 2.0 * lt_rng_unit(rng) - 1.0;
        r = u * u + v * v;
    } while (r >= 1.0 || r == 0.0);
    return u * sqrt(-2.0 * log(r) / r);
}

/** Shuffle the items of an array with equal odds for every order. */
void lt_rng_shuffle(lt_rng *rng, lt_vec *vec)
{
    size_t i;

    for (i = vec->count; i > 1; i--) {
        size_t j = (size_t)lt_rng_below(rng, i);

        if (j != i - 1)
            lt_swap_bytes(lt_vec_at(vec, i - 1), lt_vec_at(vec, j),
                          vec->item_size);
    }
}

/** A generator for tiny programs: 32 bits of state, period 2^32 - 1. */
uint32_t lt_xorshift32(uint32_t *state)
{
    uint32_t x = *state;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

/* ------------------------------------------------------------------ */
/* Checksums and encodings                                             */
/* ------------------------------------------------------------------ */

/**
 * Update a CRC-32 with more bytes. Start with zero. The polynomial is
 * the reflected one of Ethernet and zip files, worked four bits a time.
 */
uint32_t lt_crc32(uint32_t crc, const void *bytes, size_t length)
{
    static uint32_t table[16];
    const unsigned char *p = bytes;

    if (table[1] == 0) {
        uint32_t i;
        int bit;

        for (i = 0; i < 16; i++) {
            uint32_t value = i;

            for (bit = 0; bit < 4; bit++)
                value = (value & 1) != 0
                      ? value >> 1 ^ UINT32_C(0xedb88320)
                      : value >> 1;
            table[i] = value;
        }
    }

    crc = ~crc;
    while (length-- > 0) {
        crc ^= *p++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/** Update an Adler-32 checksum with more bytes. Start with one. */
uint32_t lt_adler32(uint32_t adler, const void *bytes, size_t length)
{
    const unsigned char *p = bytes;
    uint32_t a = adler & 0xffff;
    uint32_t b = adler >> 16;

    while (length > 0) {
        /* 5552 is the longest run for which b cannot overflow. */
        size_t run = LT_MIN(length, (size_t)5552);

        length -= run;
        while (run-- > 0) {
            a += *p++;
            b += a;
        }
        a %= 65521;
        b %= 65521;
    }
    return b << 16 | a;
}

static const char lt_base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz"
    "0123456789+/";

/** Append the base64 form of some bytes, padded with equals signs. */
lt_status lt_base64_encode(lt_str *out, const void *bytes, size_t length)
{
    const unsigned char *p = bytes;

    while (length > 0) {
        size_t have = LT_MIN(length, (size_t)3);
        uint32_t group = (uint32_t)p[0] << 16;
        char quad[4];
        lt_status status;

        if (have > 1)
            group |= (uint32_t)p[1] << 8;
        if (have > 2)
            group |= p[2];
        quad[0] = lt_base64_digits[group >> 18 & 63];
        quad[1] = lt_base64_digits[group >> 12 & 63];
        quad[2] = have > 1 ? lt_base64_digits[group >> 6 & 63] : '=';
        quad[3] = have > 2 ? lt_base64_digits[group & 63] : '=';
        status = lt_str_append_n(out, quad, sizeof quad);
        if (status != LT_OK)
            return status;
        p += have;
        length -= have;
    }
    return LT_OK;
}

static int lt_base64_value(char c)
{
    const char *hit;

    if (c == '\0')
        return -1;
    hit = strchr(lt_base64_digits, c);
    return hit == NULL ? -1 : (int)(hit - lt_base64_digits);
}

/** Append the bytes that a base64 text stands for. */
lt_status lt_base64_decode(lt_str *out, const char *text, size_t length)
{
    uint32_t bits = 0;
    int have = 0;
    size_t i;

    if (length % 4 != 0)
        return LT_ERR_SYNTAX;
    for (i = 0; i < length; i++) {
        int value;
        lt_status status;

        if (text[i] == '=') {
            /* Padding: one or two signs, at the very end only. */
            if (i + 2 < length || (i + 1 < length && text[i + 1] != '='))
                return LT_ERR_SYNTAX;
            break;
        }
        value = lt_base64_value(text[i]);
        if (value < 0)
            return LT_ERR_SYNTAX;
        bits = (bits << 6 | (uint32_t)value) & 0xffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            status = lt_str_push(out, (char)(bits >> have & 0xff));
            if (status != LT_OK)
                return status;
        }
    }
    return LT_OK;
}

/** Append bytes as pairs of hexadecimal digits. */
lt_status lt_hex_encode(lt_str *out, const void *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = bytes;
    lt_status status = lt_str_reserve(out, 2 * length);

    while (status == LT_OK && length-- > 0) {
        status = lt_str_push(out, digits[*p >> 4]);
        if (status == LT_OK)
            status = lt_str_push(out, digits[*p++ & 15]);
    }
    return status;
}

/**
 * Store an unsigned number in groups of seven bits, least significant
 * first; the high bit of a byte says that another one follows.
 */
size_t lt_varint_put(unsigned char out[10], uint64_t value)
{
    size_t count = 0;

    while (value >= 0x80) {
        out[count++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    out[count++] = (unsigned char)value;
    return count;
}

/** Read such a number; returns the bytes consumed, or zero on error. */
size_t lt_varint_get(const unsigned char *in, size_t length,
                     uint64_t *value)
{
    size_t i;

    *value = 0;
    for (i = 0; i < length && i < 10; i++) {
        *value |= (uint64_t)(in[i] & 0x7f) << (7 * i);
        if ((in[i] & 0x80) == 0)
            return i + 1;
    }
    return 0;
}

/* ------------------------------------------------------------------ */
/* Expressions and a stack machine                                     */
/* ------------------------------------------------------------------ */

/*
 * Arithmetic expressions are compiled to a flat list of instructions that
 * a small stack machine then runs. The grammar, from loose to tight:
 *
 *   ternary  = compare [ "?" ternary ":" ternary ]
 *   compare  = sum [ ( "<" | ">" | "=" ) sum ]
 *   sum      = product { ( "+" | "-" ) product }
 *   product  = unary { ( "*" | "/" | "%" ) unary }
 *   unary    = "-" unary | power
 *   power    = primary [ "^" unary ]
 *   primary  = number | name | name "(" ternary ")" | "(" ternary ")"
 */

typedef enum {
    LT_OP_PUSH,        /* push the number */
    LT_OP_LOAD,        /* push a variable */
    LT_OP_ADD,
    LT_OP_SUB,
    LT_OP_MUL,
    LT_OP_DIV,
    LT_OP_MOD,
    LT_OP_POW,
    LT_OP_NEG,
    LT_OP_LESS,
    LT_OP_MORE,
    LT_OP_EQUAL,
    LT_OP_CALL,        /* apply a built-in function */
    LT_OP_JUMP,        /* continue at the target */
    LT_OP_BRANCH       /* the same, but only if the top is zero */
} lt_opcode;

typedef struct {
    lt_opcode op;
    double number;
    size_t target;     /* of a jump, or an index of a name or function */
} lt_instr;

#define LT_NAME_MAX 24
#define LT_STACK_MAX 64
#define LT_EXPR_MAX_DEPTH 100

/** A compiled expression. */
typedef struct {
    lt_vec code;       /* of lt_instr */
    lt_vec names;      /* of char[LT_NAME_MAX] */
} lt_program;

/** Supplies the values of variables; returns false if unknown. */
typedef bool (*lt_lookup_fn)(const char *name, double *value, void *user);

typedef struct {
    const char *name;
    double (*apply)(double);
} lt_builtin;

static const lt_builtin lt_builtins[] = {
    { "sqrt", sqrt }, { "sin", sin }, { "cos", cos }, { "tan", tan },
    { "exp", exp }, { "ln", log }, { "abs", fabs }, { "floor", floor }
};

typedef struct {
    const char *cursor;
    lt_program *program;
    lt_status status;
    int depth;
} lt_compiler;

static void lt_compile_ternary(lt_compiler *c);
static void lt_compile_unary(lt_compiler *c);

/** Prepare an empty program. */
void lt_program_init(lt_program *program)
{
    lt_vec_init(&program->code, sizeof(lt_instr));
    lt_vec_init(&program->names, LT_NAME_MAX);
}

/** Release a program. */
void lt_program_free(lt_program *program)
{
    lt_vec_free(&program->code);
    lt_vec_free(&program->names);
}

static void lt_compile_fail(lt_compiler *c, lt_status status)
{
    if (c->status == LT_OK)
        c->status = status;
}

/** Add an instruction and return its address. */
static size_t lt_emit(lt_compiler *c, lt_opcode op, double number,
                      size_t target)
{
    lt_instr instr;

    instr.op = op;
    instr.number = number;
    instr.target = target;
    if (c->status == LT_OK)
        c->status = lt_vec_push(&c->program->code, &instr);
    return c->program->code.count - 1;
}

/** Let a jump that was emitted earlier lead to the next instruction. */
static void lt_patch(lt_compiler *c, size_t address)
{
    lt_instr *instr;

    if (c->status != LT_OK)
        return;
    instr = lt_vec_at(&c->program->code, address);
    instr->target = c->program->code.count;
}

static bool lt_compile_accept(lt_compiler *c, char wanted)
{
    while (isspace((unsigned char)*c->cursor))
        c->cursor++;
    if (*c->cursor != wanted)
        return false;
    c->cursor++;
    return true;
}

/** Find a name in the table of the program, adding it if it is new. */
static size_t lt_intern(lt_compiler *c, const char *name)
{
    lt_vec *names = &c->program->names;
    size_t i;

    for (i = 0; i < names->count; i++)
        if (strcmp(lt_vec_at(names, i), name) == 0)
            return i;
    if (c->status == LT_OK)
        c->status = lt_vec_push(names, name);
    return i;
}

static void lt_compile_name(lt_compiler *c)
{
    char name[LT_NAME_MAX] = { 0 };
    size_t length = 0;
    size_t i;

    while (isalnum((unsigned char)*c->cursor) || *c->cursor == '_') {
        if (length + 1 == sizeof name) {
            lt_compile_fail(c, LT_ERR_RANGE);
            return;
        }
        name[length++] = *c->cursor++;
    }
    if (!lt_compile_accept(c, '(')) {
        lt_emit(c, LT_OP_LOAD, 0.0, lt_intern(c, name));
        return;
    }
    lt_compile_ternary(c);
    if (!lt_compile_accept(c, ')')) {
        lt_compile_fail(c, LT_ERR_SYNTAX);
        return;
    }
    for (i = 0; i < LT_COUNT(lt_builtins); i++) {
        if (strcmp(lt_builtins[i].name, name) == 0) {
            lt_emit(c, LT_OP_CALL, 0.0, i);
            return;
        }
    }
    lt_compile_fail(c, LT_ERR_NOT_FOUND);
}

static void lt_compile_primary(lt_compiler *c)
{
    if (lt_compile_accept(c, '(')) {
        lt_compile_ternary(c);
        if (!lt_compile_accept(c, ')'))
            lt_compile_fail(c, LT_ERR_SYNTAX);
    } else if (isdigit((unsigned char)*c->cursor) || *c->cursor == '.') {
        char *end;
        double number = strtod(c->cursor, &end);

        if (end == c->cursor)
            lt_compile_fail(c, LT_ERR_SYNTAX);
        c->cursor = end;
        lt_emit(c, LT_OP_PUSH, number, 0);
    } else if (isalpha((unsigned char)*c->cursor)) {
        lt_compile_name(c);
    } else {
        lt_compile_fail(c, LT_ERR_SYNTAX);
    }
}

static void lt_compile_power(lt_compiler *c)
{
    lt_compile_primary(c);
    if (lt_compile_accept(c, '^')) {
        lt_compile_unary(c);
        lt_emit(c, LT_OP_POW, 0.0, 0);
    }
}

static void lt_compile_unary(lt_compiler *c)
{
    if (++c->depth > LT_EXPR_MAX_DEPTH) {
        lt_compile_fail(c, LT_ERR_DEPTH);
    } else if (lt_compile_accept(c, '-')) {
        lt_compile_unary(c);
        lt_emit(c, LT_OP_NEG, 0.0, 0);
    } else {
        lt_compile_power(c);
    }
    c->depth--;
}

static void lt_compile_product(lt_compiler *c)
{
    lt_compile_unary(c);
    while (c->status == LT_OK) {
        lt_opcode op;

        if (lt_compile_accept(c, '*'))
            op = LT_OP_MUL;
        else if (lt_compile_accept(c, '/'))
            op = LT_OP_DIV;
        else if (lt_compile_accept(c, '%'))
            op = LT_OP_MOD;
        else
            break;
        lt_compile_unary(c);
        lt_emit(c, op, 0.0, 0);
    }
}

static void lt_compile_sum(lt_compiler *c)
{
    lt_compile_product(c);
    while (c->status == LT_OK) {
        lt_opcode op;

        if (lt_compile_accept(c, '+'))
            op = LT_OP_ADD;
        else if (lt_compile_accept(c, '-'))
            op = LT_OP_SUB;
        else
            break;
        lt_compile_product(c);
        lt_emit(c, op, 0.0, 0);
    }
}

static void lt_compile_compare(lt_compiler *c)
{
    lt_opcode op;

    lt_compile_sum(c);
    if (lt_compile_accept(c, '<'))
        op = LT_OP_LESS;
    else if (lt_compile_accept(c, '>'))
        op = LT_OP_MORE;
    else if (lt_compile_accept(c, '='))
        op = LT_OP_EQUAL;
    else
        return;
    lt_compile_sum(c);
    lt_emit(c, op, 0.0, 0);
}

static void lt_compile_ternary(lt_compiler *c)
{
    size_t branch;
    size_t jump;

    if (++c->depth > LT_EXPR_MAX_DEPTH) {
        lt_compile_fail(c, LT_ERR_DEPTH);
        c->depth--;
        return;
    }
    lt_compile_compare(c);
    if (lt_compile_accept(c, '?')) {
        branch = lt_emit(c, LT_OP_BRANCH, 0.0, 0);
        lt_compile_ternary(c);
        jump = lt_emit(c, LT_OP_JUMP, 0.0, 0);
        if (!lt_compile_accept(c, ':'))
            lt_compile_fail(c, LT_ERR_SYNTAX);
        lt_patch(c, branch);
        lt_compile_ternary(c);
        lt_patch(c, jump);
    }
    c->depth--;
}

/** Compile the text of an expression into an initialized program. */
lt_status lt_compile(lt_program *program, const char *text)
{
    lt_compiler compiler;

    compiler.cursor = text;
    compiler.program = program;
    compiler.status = LT_OK;
    compiler.depth = 0;
    program->code.count = 0;
    program->names.count = 0;

    lt_compile_ternary(&compiler);
    if (!lt_compile_accept(&compiler, '\0'))
        lt_compile_fail(&compiler, LT_ERR_SYNTAX);
    return compiler.status;
}

/** Apply an operator that takes two operands. */
static lt_status lt_binary(lt_opcode op, double a, double b, double *out)
{
    switch (op) {
    case LT_OP_ADD:   *out = a + b;      return LT_OK;
    case LT_OP_SUB:   *out = a - b;      return LT_OK;
    case LT_OP_MUL:   *out = a * b;      return LT_OK;
    case LT_OP_POW:   *out = pow(a, b);  return LT_OK;
    case LT_OP_LESS:  *out = a < b;      return LT_OK;
    case LT_OP_MORE:  *out = a > b;      return LT_OK;
    case LT_OP_EQUAL: *out = a == b;     return LT_OK;
    case LT_OP_DIV:
    case LT_OP_MOD:
        if (b == 0.0)
            return LT_ERR_MATH;
        *out = op == LT_OP_DIV ? a / b : fmod(a, b);
        return LT_OK;
    default:
        return LT_ERR_RANGE;
    }
}

/** Run a program. The lookup function may be NULL. */
lt_status lt_run(const lt_program *program, lt_lookup_fn lookup,
                 void *user, double *result)
{
    double stack[LT_STACK_MAX];
    size_t top = 0;
    size_t pc = 0;

    while (pc < program->code.count) {
        const lt_instr *instr = lt_vec_at(&program->code, pc++);
        lt_status status;

        switch (instr->op) {
        case LT_OP_PUSH:
            if (top == LT_STACK_MAX)
                return LT_ERR_FULL;
            stack[top++] = instr->number;
            break;
        case LT_OP_LOAD:
            if (top == LT_STACK_MAX)
                return LT_ERR_FULL;
            if (lookup == NULL
                || !lookup(lt_vec_at(&program->names, instr->target),
                           &stack[top], user))
                return LT_ERR_NOT_FOUND;
            top++;
            break;
        case LT_OP_NEG:
            if (top < 1)
                return LT_ERR_EMPTY;
            stack[top - 1] = -stack[top - 1];
            break;
        case LT_OP_CALL:
            if (top < 1)
                return LT_ERR_EMPTY;
            stack[top - 1] =
                lt_builtins[instr->target].apply(stack[top - 1]);
            break;
        case LT_OP_JUMP:
            pc = instr->target;
            break;
        case LT_OP_BRANCH:
            if (top < 1)
                return LT_ERR_EMPTY;
            if (stack[--top] == 0.0)
                pc = instr->target;
            break;
        default:
            if (top < 2)
                return LT_ERR_EMPTY;
            top--;
            status = lt_binary(instr->op, stack[top - 1], stack[top],
                               &stack[top - 1]);
            if (status != LT_OK)
                return status;
        }
    }
    if (top != 1)
        return LT_ERR_EMPTY;
    *result = stack[0];
    return LT_OK;
}

/* ------------------------------------------------------------------ */
/* Graphs                                                              */
/* ------------------------------------------------------------------ */

/** A directed edge; edges with the same source form a linked list. */
typedef struct {
    size_t target;
    size_t next;           /* index of another edge, or LT_NO_NODE */
    double weight;
} lt_edge;

/** A directed graph whose nodes are numbered from zero. */
typedef struct {
    lt_vec edges;          /* of lt_edge */
    size_t *first;         /* for each node, its first edge */
    size_t nodes;
} lt_graph;

#define LT_NO_NODE SIZE_MAX

/** Create a graph with the given number of nodes and no edges. */
lt_status lt_graph_init(lt_graph *graph, size_t nodes)
{
    size_t bytes;
    size_t i;

    lt_vec_init(&graph->edges, sizeof(lt_edge));
    graph->nodes = 0;
    graph->first = NULL;
    if (!lt_mul_size(nodes, sizeof *graph->first, &bytes))
        return LT_ERR_MEMORY;
    graph->first = malloc(bytes == 0 ? 1 : bytes);
    if (graph->first == NULL)
        return LT_ERR_MEMORY;
    graph->nodes = nodes;
    for (i = 0; i < nodes; i++)
        graph->first[i] = LT_NO_NODE;
    return LT_OK;
}

/** Release a graph. */
void lt_graph_free(lt_graph *graph)
{
    lt_vec_free(&graph->edges);
    free(graph->first);
    graph->first = NULL;
    graph->nodes = 0;
}

/** Add an edge from one node to another. */
lt_status lt_graph_connect(lt_graph *graph, size_t from, size_t to,
                           double weight)
{
    lt_edge edge;
    lt_status status;

    if (from >= graph->nodes || to >= graph->nodes)
        return LT_ERR_RANGE;
    edge.target = to;
    edge.next = graph->first[from];
    edge.weight = weight;
    status = lt_vec_push(&graph->edges, &edge);
    if (status == LT_OK)
        graph->first[from] = graph->edges.count - 1;
    return status;
}

static const lt_edge *lt_graph_edge(const lt_graph *graph, size_t index)
{
    return index == LT_NO_NODE ? NULL : lt_vec_at(&graph->edges, index);
}

/**
 * Breadth first search. For every node, hops receives the least number
 * of edges on a path from the start, or LT_NO_NODE if there is no path.
 */
lt_status lt_graph_bfs(const lt_graph *graph, size_t start, size_t *hops)
{
    size_t *queue;
    size_t head = 0;
    size_t tail = 0;
    size_t i;

    if (start >= graph->nodes)
        return LT_ERR_RANGE;
    queue = malloc(graph->nodes * sizeof *queue);
    if (queue == NULL)
        return LT_ERR_MEMORY;
    for (i = 0; i < graph->nodes; i++)
        hops[i] = LT_NO_NODE;
    hops[start] = 0;
    queue[tail++] = start;

    while (head < tail) {
        size_t node = queue[head++];
        const lt_edge *edge = lt_graph_edge(graph, graph->first[node]);

        while (edge != NULL) {
            if (hops[edge->target] == LT_NO_NODE) {
                hops[edge->target] = hops[node] + 1;
                queue[tail++] = edge->target;
            }
            edge = lt_graph_edge(graph, edge->next);
        }
    }
    free(queue);
    return LT_OK;
}

typedef struct {
    double distance;
    size_t node;
} lt_frontier;

static int lt_compare_frontier(const void *a, const void *b, void *user)
{
    double x = ((const lt_frontier *)a)->distance;
    double y = ((const lt_frontier *)b)->distance;

    LT_UNUSED(user);
    return (x > y) - (x < y);
}

/**
 * Dijkstra's algorithm for edges that are not negative. The distances of
 * unreachable nodes are HUGE_VAL. The array parent may be NULL; otherwise
 * parent[i] becomes the node before i on a shortest path.
 */
lt_status lt_graph_dijkstra(const lt_graph *graph, size_t start,
                            double *distance, size_t *parent)
{
    lt_heap heap;
    lt_frontier item;
    lt_status status;
    size_t i;

    if (start >= graph->nodes)
        return LT_ERR_RANGE;
    for (i = 0; i < graph->nodes; i++) {
        distance[i] = HUGE_VAL;
        if (parent != NULL)
            parent[i] = LT_NO_NODE;
    }
    lt_heap_init(&heap, sizeof item, lt_compare_frontier, NULL);
    distance[start] = 0.0;
    item.distance = 0.0;
    item.node = start;
    status = lt_heap_push(&heap, &item);

    while (status == LT_OK && lt_heap_pop(&heap, &item) == LT_OK) {
        size_t node = item.node;
        const lt_edge *edge;

        if (item.distance > distance[node])
            continue;              /* a shorter way was found since */
        edge = lt_graph_edge(graph, graph->first[node]);
        while (edge != NULL && status == LT_OK) {
            double through = distance[node] + edge->weight;

            if (edge->weight < 0.0) {
                status = LT_ERR_RANGE;
            } else if (through < distance[edge->target]) {
                distance[edge->target] = through;
                if (parent != NULL)
                    parent[edge->target] = node;
                item.distance = through;
                item.node = edge->target;
                status = lt_heap_push(&heap, &item);
            }
            edge = lt_graph_edge(graph, edge->next);
        }
    }
    lt_heap_free(&heap);
    return status;
}

/**
 * Put the nodes in an order in which every edge points forward. Fails
 * with LT_ERR_RANGE when the graph has a cycle.
 */
lt_status lt_graph_topological(const lt_graph *graph, size_t *order)
{
    size_t *incoming = calloc(graph->nodes + 1, sizeof *incoming);
    size_t head = 0;
    size_t tail = 0;
    size_t i;

    if (incoming == NULL)
        return LT_ERR_MEMORY;
    for (i = 0; i < graph->edges.count; i++)
        incoming[lt_graph_edge(graph, i)->target]++;
    for (i = 0; i < graph->nodes; i++)
        if (incoming[i] == 0)
            order[tail++] = i;
    while (head < tail) {
        size_t node = order[head++];
        const lt_edge *edge = lt_graph_edge(graph, graph->first[node]);

        while (edge != NULL) {
            if (--incoming[edge->target] == 0)
                order[tail++] = edge->target;
            edge = lt_graph_edge(graph, edge->next);
        }
    }
    free(incoming);
    return tail == graph->nodes ? LT_OK : LT_ERR_RANGE;
}

/* ------------------------------------------------------------------ */
/* Disjoint sets                                                       */
/* ------------------------------------------------------------------ */

/** A partition of the integers below count into disjoint sets. */
typedef struct {
    size_t *parent;
    size_t *size;
    size_t count;
    size_t groups;
} lt_union;

/** Start with every integer in a set of its own. */
lt_status lt_union_init(lt_union *u, size_t count)
{
    size_t i;

    u->parent = calloc(count + 1, sizeof *u->parent);
    u->size = calloc(count + 1, sizeof *u->size);
    u->count = count;
    u->groups = count;
    if (u->parent == NULL || u->size == NULL) {
        free(u->parent);
        free(u->size);
        u->parent = NULL;
        u->size = NULL;
        return LT_ERR_MEMORY;
    }
    for (i = 0; i < count; i++) {
        u->parent[i] = i;
        u->size[i] = 1;
    }
    return LT_OK;
}

/** Release a partition. */
void lt_union_free(lt_union *u)
{
    free(u->parent);
    free(u->size);
    u->parent = NULL;
    u->size = NULL;
}

/** Return the representative of the set that holds i. */
size_t lt_union_find(lt_union *u, size_t i)
{
    while (u->parent[i] != i) {
        u->parent[i] = u->parent[u->parent[i]];
        i = u->parent[i];
    }
    return i;
}

/** Unite two sets. Returns false if they already were the same. */
bool lt_union_join(lt_union *u, size_t i, size_t j)
{
    i = lt_union_find(u, i);
    j = lt_union_find(u, j);
    if (i == j)
        return false;
    if (u->size[i] < u->size[j]) {
        size_t keep = i;

        i = j;
        j = keep;
    }
    u->parent[j] = i;
    u->size[i] += u->size[j];
    u->groups--;
    return true;
}

/* ------------------------------------------------------------------ */
/* LRU cache                                                           */
/* ------------------------------------------------------------------ */

/*
 * A cache with room for a fixed number of entries. The entries are linked
 * from the most to the least recently used, and a hash map finds them by
 * name. When the cache is full the entry at the far end has to go.
 */

typedef struct lt_lru_entry {
    struct lt_lru_entry *newer;
    struct lt_lru_entry *older;
    char *key;
    void *value;
} lt_lru_entry;

/** Called for each value that leaves the cache. */
typedef void (*lt_evict_fn)(const char *key, void *value, void *user);

typedef struct {
    lt_map index;
    lt_lru_entry *newest;
    lt_lru_entry *oldest;
    size_t capacity;
    size_t hits;
    size_t misses;
    lt_evict_fn evict;
    void *user;
} lt_lru;

/** Prepare a cache. The evict function may be NULL. */
void lt_lru_init(lt_lru *cache, size_t capacity, lt_evict_fn evict,
                 void *user)
{
    lt_map_init(&cache->index);
    cache->newest = NULL;
    cache->oldest = NULL;
    cache->capacity = capacity == 0 ? 1 : capacity;
    cache->hits = 0;
    cache->misses = 0;
    cache->evict = evict;
    cache->user = user;
}

static void lt_lru_unlink(lt_lru *cache, lt_lru_entry *entry)
{
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        cache->newest = entry->older;
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        cache->oldest = entry->newer;
}

static void lt_lru_link_front(lt_lru *cache, lt_lru_entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    if (cache->newest != NULL)
        cache->newest->newer = entry;
    else
        cache->oldest = entry;
    cache->newest = entry;
}

static void lt_lru_discard(lt_lru *cache, lt_lru_entry *entry)
{
    lt_lru_unlink(cache, entry);
    lt_map_remove(&cache->index, entry->key);
    if (cache->evict != NULL)
        cache->evict(entry->key, entry->value, cache->user);
    free(entry->key);
    free(entry);
}

/** Look an entry up and mark it as the most recently used. */
bool lt_lru_get(lt_lru *cache, const char *key, void **value)
{
    void *found;
    lt_lru_entry *entry;

    if (!lt_map_get(&cache->index, key, &found)) {
        cache->misses++;
        return false;
    }
    entry = found;
    lt_lru_unlink(cache, entry);
    lt_lru_link_front(cache, entry);
    cache->hits++;
    *value = entry->value;
    return true;
}

/** Add an entry, throwing out the least recently used if need be. */
lt_status lt_lru_put(lt_lru *cache, const char *key, void *value)
{
    void *found;
    lt_lru_entry *entry;
    lt_status status;
    size_t length = strlen(key) + 1;

    if (lt_map_get(&cache->index, key, &found)) {
        entry = found;
        if (cache->evict != NULL && entry->value != value)
            cache->evict(entry->key, entry->value, cache->user);
        entry->value = value;
        lt_lru_unlink(cache, entry);
        lt_lru_link_front(cache, entry);
        return LT_OK;
    }

    entry = malloc(sizeof *entry);
    if (entry == NULL)
        return LT_ERR_MEMORY;
    entry->key = malloc(length);
    if (entry->key == NULL) {
        free(entry);
        return LT_ERR_MEMORY;
    }
    memcpy(entry->key, key, length);
    entry->value = value;
    status = lt_map_put(&cache->index, key, entry);
    if (status != LT_OK) {
        free(entry->key);
        free(entry);
        return status;
    }
    lt_lru_link_front(cache, entry);
    if (cache->index.count > cache->capacity)
        lt_lru_discard(cache, cache->oldest);
    return LT_OK;
}

/** Evict everything and release the cache. */
void lt_lru_free(lt_lru *cache)
{
    while (cache->oldest != NULL)
        lt_lru_discard(cache, cache->oldest);
    lt_map_free(&cache->index);
}

/* ------------------------------------------------------------------ */
/* INI files                                                           */
/* ------------------------------------------------------------------ */

/**
 * Receives one setting. The section is empty for settings that come
 * before the first header. Return false to stop reading.
 */
typedef bool (*lt_ini_fn)(const char *section, const char *key,
                          const char *value, void *user);

/** Set a string to the given bytes without surrounding white space. */
static lt_status lt_ini_assign(lt_str *target, const char *text,
                               size_t length)
{
    lt_status status;

    lt_str_clear(target);
    status = lt_str_append_n(target, text, length);
    if (status == LT_OK)
        lt_str_trim(target);
    return status;
}

/** Strip one pair of quotes from a value such as "two words". */
static void lt_ini_unquote(lt_str *value)
{
    size_t n = value->length;

    if (n >= 2 && value->text[0] == '"' && value->text[n - 1] == '"') {
        memmove(value->text, value->text + 1, n - 2);
        value->length = n - 2;
        value->text[value->length] = '\0';
    }
}

/**
 * Read settings of the form key = value, grouped under [section] headers.
 * Lines that start with a semicolon or a number sign are comments. When
 * the text is malformed, *line holds the number of the offending line.
 */
lt_status lt_ini_parse(const char *text, lt_ini_fn report, void *user,
                       size_t *line)
{
    lt_str row;
    lt_str section;
    lt_str key;
    lt_str value;
    lt_slice rest;
    lt_slice field;
    lt_status status = LT_OK;
    bool more = true;

    lt_str_init(&row);
    lt_str_init(&section);
    lt_str_init(&key);
    lt_str_init(&value);
    rest.text = text;
    rest.length = strlen(text);
    *line = 0;

    while (more && status == LT_OK && lt_slice_split(&rest, '\n', &field)) {
        char *equals;

        ++*line;
        status = lt_ini_assign(&row, field.text, field.length);
        if (status != LT_OK || row.length == 0
            || row.text[0] == ';' || row.text[0] == '#')
            continue;
        if (row.text[0] == '[') {
            if (row.length < 3 || row.text[row.length - 1] != ']')
                status = LT_ERR_SYNTAX;
            else
                status = lt_ini_assign(&section, row.text + 1,
                                       row.length - 2);
            continue;
        }
        equals = strchr(row.text, '=');
        if (equals == NULL || equals == row.text) {
            status = LT_ERR_SYNTAX;
            continue;
        }
        status = lt_ini_assign(&key, row.text,
                               (size_t)(equals - row.text));
        if (status == LT_OK)
            status = lt_ini_assign(&value, equals + 1, strlen(equals + 1));
        if (status == LT_OK) {
            lt_ini_unquote(&value);
            more = report(lt_str_cstr(&section), lt_str_cstr(&key),
                          lt_str_cstr(&value), user);
        }
    }

    lt_str_free(&row);
    lt_str_free(&section);
    lt_str_free(&key);
    lt_str_free(&value);
    return status;
}

/** Convert a whole string to an integer, with strict checking. */
lt_status lt_parse_int(const char *text, int64_t *value)
{
    char *end;
    long long number;

    errno = 0;
    number = strtoll(text, &end, 10);
    if (end == text || *end != '\0')
        return LT_ERR_SYNTAX;
    if (errno == ERANGE)
        return LT_ERR_RANGE;
    *value = number;
    return LT_OK;
}

/* ------------------------------------------------------------------ */
/* Dates                                                               */
/* ------------------------------------------------------------------ */

/** A day of the Gregorian calendar, extended to all years. */
typedef struct {
    int year;
    int month;             /* 1 to 12 */
    int day;               /* 1 to 31 */
} lt_date;

/** Tell whether a year has 366 days. */
bool lt_is_leap_year(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/** The number of days in a month. */
int lt_days_in_month(int year, int month)
{
    static const int days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    if (month < 1 || month > 12)
        return 0;
    return days[month - 1] + (month == 2 && lt_is_leap_year(year));
}

/** Tell whether a date exists. */
bool lt_date_valid(lt_date date)
{
    return date.month >= 1 && date.month <= 12 && date.day >= 1
        && date.day <= lt_days_in_month(date.year, date.month);
}

/** Divide and round toward minus infinity; b must be positive. */
static int64_t lt_floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/** Days from the first of January of year 1 to that of another year. */
static int64_t lt_days_before_year(int64_t year)
{
    int64_t past = year - 1;

    return 365 * past + lt_floor_div(past, 4) - lt_floor_div(past, 100)
         + lt_floor_div(past, 400);
}

/** The first of January 1970, counted in the same way. */
#define LT_EPOCH INT64_C(719162)

/** The number of days since the first of January 1970. */
int64_t lt_date_to_days(lt_date date)
{
    int64_t days = lt_days_before_year(date.year) - LT_EPOCH;
    int month;

    for (month = 1; month < date.month; month++)
        days += lt_days_in_month(date.year, month);
    return days + date.day - 1;
}

/**
 * The inverse of lt_date_to_days. The mean length of a year gives a guess
 * that is off by one at most, and the loops set it right.
 */
lt_date lt_date_from_days(int64_t days)
{
    int64_t serial = days + LT_EPOCH;
    int64_t year = 1 + lt_floor_div(serial * 400, 146097);
    int rest;
    lt_date date;

    while (lt_days_before_year(year) > serial)
        year--;
    while (lt_days_before_year(year + 1) <= serial)
        year++;
    rest = (int)(serial - lt_days_before_year(year));

    date.year = (int)year;
    date.month = 1;
    while (rest >= lt_days_in_month(date.year, date.month)) {
        rest -= lt_days_in_month(date.year, date.month);
        date.month++;
    }
    date.day = rest + 1;
    return date;
}

/** The day of the week: 0 is Sunday, 6 is Saturday. */
int lt_date_weekday(lt_date date)
{
    int64_t shifted = lt_date_to_days(date) + 4;

    return (int)(shifted - 7 * lt_floor_div(shifted, 7));
}

/** The day of the year, starting with 1. */
int lt_date_yearday(lt_date date)
{
    lt_date first;

    first.year = date.year;
    first.month = 1;
    first.day = 1;
    return (int)(lt_date_to_days(date) - lt_date_to_days(first)) + 1;
}

/** Move a date by months, clipping the day to the length of the month. */
lt_date lt_date_add_months(lt_date date, int months)
{
    int total = date.year * 12 + (date.month - 1) + months;
    int month = total % 12;
    int limit;

    if (month < 0)
        month += 12;
    date.year = (total - month) / 12;
    date.month = month + 1;
    limit = lt_days_in_month(date.year, date.month);
    date.day = LT_MIN(date.day, limit);
    return date;
}

/** Parse a date such as 2024-02-29. */
lt_status lt_date_parse(const char *text, lt_date *date)
{
    static const char shape[] = "dddd-dd-dd";
    size_t i;

    for (i = 0; i < sizeof shape; i++) {
        if (shape[i] == 'd' ? !isdigit((unsigned char)text[i])
                            : text[i] != shape[i])
            return LT_ERR_SYNTAX;
    }
    date->year = (int)strtol(text, NULL, 10);
    date->month = (int)strtol(text + 5, NULL, 10);
    date->day = (int)strtol(text + 8, NULL, 10);
    return lt_date_valid(*date) ? LT_OK : LT_ERR_RANGE;
}

/** Append a date in the same form. */
lt_status lt_date_print(lt_str *out, lt_date date)
{
    return lt_str_appendf(out, "%04d-%02d-%02d",
                          date.year, date.month, date.day);
}

/* ------------------------------------------------------------------ */
/* Statistics                                                          */
/* ------------------------------------------------------------------ */

/** Running mean and variance, by Welford's method. */
typedef struct {
    size_t count;
    double mean;
    double squares;        /* sum of squared deviations from the mean */
    double least;
    double most;
} lt_stats;

/** Start with no samples. */
void lt_stats_init(lt_stats *stats)
{
    stats->count = 0;
    stats->mean = 0.0;
    stats->squares = 0.0;
    stats->least = HUGE_VAL;
    stats->most = -HUGE_VAL;
}

/** Take a sample into account. */
void lt_stats_add(lt_stats *stats, double x)
{
    double delta = x - stats->mean;

    stats->count++;
    stats->mean += delta / (double)stats->count;
    stats->squares += delta * (x - stats->mean);
    stats->least = LT_MIN(stats->least, x);
    stats->most = LT_MAX(stats->most, x);
}

/** The unbiased estimate of the variance; zero if it is undefined. */
double lt_stats_variance(const lt_stats *stats)
{
    return stats->count < 2 ? 0.0
         : stats->squares / (double)(stats->count - 1);
}

/* ------------------------------------------------------------------ */
/* Self-tests                                                          */
/* ------------------------------------------------------------------ */

static unsigned lt_checks_run;
static unsigned lt_checks_failed;

#define LT_CHECK(condition) \
    lt_check((condition), #condition, __FILE__, __LINE__)

static void lt_check(bool passed, const char *text, const char *file,
                     int line)
{
    lt_checks_run++;
    if (!passed) {
        lt_checks_failed++;
        fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
    }
}

static void test_arena(void)
{
    lt_arena arena;
    char *word;
    size_t i;

    lt_arena_init(&arena, 512);
    for (i = 1; i <= 100; i++) {
        unsigned char *p = lt_arena_alloc(&arena, i);

        LT_CHECK(p != NULL && (uintptr_t)p % sizeof(void *) == 0);
        if (p != NULL)
            memset(p, (int)i, i);
    }
    word = lt_arena_strndup(&arena, "lantern light", 7);
    LT_CHECK(word != NULL && strcmp(word, "lantern") == 0);
    lt_arena_reset(&arena);
    LT_CHECK(arena.total == 0 && arena.head->next == NULL);
    LT_CHECK(lt_arena_alloc(&arena, 100000) != NULL);
    lt_arena_free(&arena);
    LT_CHECK(arena.head == NULL);
}

static void test_vec(void)
{
    lt_vec vec;
    int value;

    lt_vec_init(&vec, sizeof value);
    for (value = 0; value < 50; value++)
        LT_CHECK(lt_vec_push(&vec, &value) == LT_OK);
    value = 99;
    LT_CHECK(lt_vec_insert(&vec, 10, &value) == LT_OK);
    LT_CHECK(*(int *)lt_vec_at(&vec, 10) == 99);
    LT_CHECK(*(int *)lt_vec_at(&vec, 11) == 10);
    LT_CHECK(lt_vec_insert(&vec, 1000, &value) == LT_ERR_RANGE);
    LT_CHECK(lt_vec_remove(&vec, 10) == LT_OK);
    LT_CHECK(*(int *)lt_vec_at(&vec, 10) == 10);
    lt_vec_reverse(&vec);
    LT_CHECK(*(int *)lt_vec_at(&vec, 0) == 49);
    LT_CHECK(lt_vec_pop(&vec, &value) == LT_OK && value == 0);
    LT_CHECK(vec.count == 49);
    lt_vec_free(&vec);
    LT_CHECK(lt_vec_pop(&vec, NULL) == LT_ERR_EMPTY);
}

static void test_str(void)
{
    lt_str s;
    lt_slice rest = { "red,green,,blue", 15 };
    lt_slice field;
    size_t fields = 0;

    lt_str_init(&s);
    LT_CHECK(strcmp(lt_str_cstr(&s), "") == 0);
    lt_str_append(&s, "  one fish, ");
    lt_str_appendf(&s, "%d fish \t", 2);
    lt_str_trim(&s);
    LT_CHECK(strcmp(s.text, "one fish, 2 fish") == 0);
    LT_CHECK(lt_str_replace(&s, "fish", "lobster") == LT_OK);
    LT_CHECK(strcmp(s.text, "one lobster, 2 lobster") == 0);
    LT_CHECK(lt_str_replace(&s, "", "x") == LT_ERR_RANGE);
    lt_str_free(&s);

    while (lt_slice_split(&rest, ',', &field)) {
        if (fields == 1)
            LT_CHECK(lt_slice_equals(field, "green"));
        if (fields == 2)
            LT_CHECK(field.length == 0);
        fields++;
    }
    LT_CHECK(fields == 4);
}

static void test_map(void)
{
    static int numbers[1000];
    lt_map map;
    char key[32];
    const char *name;
    void *value;
    size_t cursor = 0;
    size_t seen = 0;
    int i;

    lt_map_init(&map);
    LT_CHECK(!lt_map_get(&map, "nothing", NULL));
    for (i = 0; i < 1000; i++) {
        sprintf(key, "key-%d", i);
        LT_CHECK(lt_map_put(&map, key, &numbers[i]) == LT_OK);
    }
    LT_CHECK(map.count == 1000);
    for (i = 0; i < 1000; i += 3) {
        sprintf(key, "key-%d", i);
        LT_CHECK(lt_map_remove(&map, key));
        LT_CHECK(!lt_map_remove(&map, key));
    }
    for (i = 0; i < 1000; i++) {
        bool found;

        sprintf(key, "key-%d", i);
        found = lt_map_get(&map, key, &value);
        LT_CHECK(found == (i % 3 != 0));
        LT_CHECK(!found || value == &numbers[i]);
    }
    while (lt_map_next(&map, &cursor, &name, &value))
        seen++;
    LT_CHECK(seen == map.count && seen == 666);
    lt_map_free(&map);
}

static void test_heap(void)
{
    lt_heap heap;
    lt_rng rng;
    int value;
    int previous = -1;
    int i;

    lt_rng_seed(&rng, 7);
    lt_heap_init(&heap, sizeof value, lt_compare_int, NULL);
    for (i = 0; i < 300; i++) {
        value = (int)lt_rng_below(&rng, 100);
        LT_CHECK(lt_heap_push(&heap, &value) == LT_OK);
    }
    for (i = 0; i < 300; i++) {
        LT_CHECK(lt_heap_pop(&heap, &value) == LT_OK);
        LT_CHECK(value >= previous);
        previous = value;
    }
    LT_CHECK(lt_heap_pop(&heap, &value) == LT_ERR_EMPTY);
    lt_heap_free(&heap);
}

typedef struct {
    int64_t last;
    size_t count;
    bool ordered;
} walk_state;

static bool check_order(lt_avl_node *node, void *user)
{
    walk_state *state = user;

    if (node->key <= state->last)
        state->ordered = false;
    state->last = node->key;
    state->count++;
    return true;
}

static void test_avl(void)
{
    lt_avl tree;
    walk_state state = { INT64_MIN, 0, true };
    int64_t key;

    lt_avl_init(&tree);
    for (key = 0; key < 1000; key++)
        LT_CHECK(lt_avl_put(&tree, key * 7 % 1000, &tree) == LT_OK);
    LT_CHECK(tree.count == 1000);
    LT_CHECK(tree.root->height <= 14);
    for (key = 0; key < 1000; key += 2)
        LT_CHECK(lt_avl_remove(&tree, key));
    LT_CHECK(!lt_avl_remove(&tree, 500));
    LT_CHECK(lt_avl_find(&tree, 500) == NULL);
    LT_CHECK(lt_avl_find(&tree, 501) != NULL);
    LT_CHECK(lt_avl_lower_bound(&tree, 500)->key == 501);
    LT_CHECK(lt_avl_lower_bound(&tree, 1000) == NULL);
    LT_CHECK(lt_avl_walk(&tree, check_order, &state));
    LT_CHECK(state.ordered && state.count == 500);
    lt_avl_free(&tree);
}

static void test_ring(void)
{
    lt_ring ring;
    char buffer[16];

    LT_CHECK(lt_ring_init(&ring, 6) == LT_OK);
    LT_CHECK(lt_ring_space(&ring) == 8);
    LT_CHECK(lt_ring_write(&ring, "abcdef", 6) == 6);
    LT_CHECK(lt_ring_read(&ring, buffer, 4) == 4);
    LT_CHECK(memcmp(buffer, "abcd", 4) == 0);
    LT_CHECK(lt_ring_write(&ring, "ghijklmn", 8) == 6);
    LT_CHECK(lt_ring_read(&ring, buffer, sizeof buffer) == 8);
    LT_CHECK(memcmp(buffer, "efghijkl", 8) == 0);
    LT_CHECK(lt_ring_used(&ring) == 0);
    lt_ring_free(&ring);
}

static void test_bitset(void)
{
    lt_bitset primes;
    lt_bitset odd;
    size_t i;
    size_t j;

    LT_CHECK(lt_bitset_init(&primes, 200) == LT_OK);
    LT_CHECK(lt_bitset_init(&odd, 200) == LT_OK);
    for (i = 2; i < 200; i++)
        lt_bitset_add(&primes, i);
    for (i = 2; i < 200; i = lt_bitset_next(&primes, i + 1))
        for (j = i * i; j < 200; j += i)
            lt_bitset_drop(&primes, j);
    LT_CHECK(lt_bitset_count(&primes) == 46);
    LT_CHECK(lt_bitset_has(&primes, 97) && !lt_bitset_has(&primes, 91));
    LT_CHECK(!lt_bitset_has(&primes, 5000));
    LT_CHECK(lt_bitset_next(&primes, 114) == 127);
    for (i = 1; i < 200; i += 2)
        lt_bitset_add(&odd, i);
    lt_bitset_intersect(&odd, &primes);
    LT_CHECK(lt_bitset_count(&odd) == 45);
    lt_bitset_free(&primes);
    lt_bitset_free(&odd);
}

typedef struct {
    int rank;
    int serial;
} card;

static int compare_card(const void *a, const void *b, void *user)
{
    LT_UNUSED(user);
    return ((const card *)a)->rank - ((const card *)b)->rank;
}

static void test_sort(void)
{
    static int numbers[2000];
    static card deck[500];
    lt_rng rng;
    bool ordered = true;
    size_t shape;
    size_t i;
    int key = 1000;

    lt_rng_seed(&rng, 42);
    for (shape = 0; shape < 4; shape++) {
        for (i = 0; i < LT_COUNT(numbers); i++) {
            if (shape == 0)
                numbers[i] = (int)lt_rng_below(&rng, 1000000);
            else if (shape == 1)
                numbers[i] = (int)i;
            else if (shape == 2)
                numbers[i] = -(int)i;
            else
                numbers[i] = (int)(i % 3);
        }
        lt_sort(numbers, LT_COUNT(numbers), sizeof numbers[0],
                lt_compare_int, NULL);
        for (i = 1; i < LT_COUNT(numbers); i++)
            ordered = ordered && numbers[i - 1] <= numbers[i];
    }
    LT_CHECK(ordered);

    for (i = 0; i < LT_COUNT(deck); i++) {
        deck[i].rank = (int)lt_rng_below(&rng, 13);
        deck[i].serial = (int)i;
    }
    LT_CHECK(lt_sort_stable(deck, LT_COUNT(deck), sizeof deck[0],
                            compare_card, NULL) == LT_OK);
    for (i = 1; i < LT_COUNT(deck); i++) {
        const card *a = &deck[i - 1];
        const card *b = &deck[i];

        ordered = ordered && (a->rank < b->rank
            || (a->rank == b->rank && a->serial < b->serial));
    }
    LT_CHECK(ordered);

    for (i = 0; i < LT_COUNT(numbers); i++)
        numbers[i] = 2 * (int)i + 1;
    LT_CHECK(lt_lower_bound(numbers, LT_COUNT(numbers), sizeof numbers[0],
                            &key, lt_compare_int, NULL) == 500);
}

static void test_search(void)
{
    const char *text = "the abacus and the abalone went abroad";
    size_t length = strlen(text);

    LT_CHECK(lt_find_kmp(text, length, "abalone", 7) == 19);
    LT_CHECK(lt_find_bmh(text, length, "abalone", 7) == 19);
    LT_CHECK(lt_find_kmp(text, length, "abroad", 6) == length - 6);
    LT_CHECK(lt_find_bmh(text, length, "abroad", 6) == length - 6);
    LT_CHECK(lt_find_kmp(text, length, "abbot", 5) == LT_NOT_FOUND);
    LT_CHECK(lt_find_bmh(text, length, "abbot", 5) == LT_NOT_FOUND);
    LT_CHECK(lt_find_kmp("aaab", 4, "aab", 3) == 1);
    LT_CHECK(lt_find_bmh("ab", 2, "abc", 3) == LT_NOT_FOUND);
    LT_CHECK(lt_glob("*.c", "lantern.c") && !lt_glob("*.h", "lantern.c"));
    LT_CHECK(lt_glob("l?n*n.?", "lantern.c") && lt_glob("**", ""));
    LT_CHECK(lt_edit_distance("lantern", "cavern") == 3);
    LT_CHECK(lt_edit_distance("", "moth") == 4);
}

static void test_utf8(void)
{
    static const uint32_t samples[] = {
        0x01, 0x7f, 0x80, 0x7ff, 0x800, 0x2603, 0xfffd, 0x10000, 0x10ffff
    };
    char bytes[4];
    uint32_t code;
    size_t i;

    for (i = 0; i < LT_COUNT(samples); i++) {
        size_t length = lt_utf8_encode(samples[i], bytes);

        LT_CHECK(lt_utf8_decode(bytes, length, &code) == length);
        LT_CHECK(code == samples[i]);
    }
    LT_CHECK(lt_utf8_decode("\xc0\x80", 2, &code) == 1);
    LT_CHECK(code == LT_REPLACEMENT);
    LT_CHECK(lt_utf8_decode("\xed\xa0\x80", 3, &code) == 1);
    LT_CHECK(lt_utf8_decode("\xe2\x82", 2, &code) == 1);
    LT_CHECK(lt_utf8_count("na\xc3\xafve", 6) == 5);
}

static void test_json(void)
{
    static const char text[] =
        " { \"name\": \"lamp \\u00e9 \\ud83d\\ude00\", \"on\": true,\n"
        "   \"levels\": [1, -2.5, 3e2, [], {}], \"owner\": null } ";
    static const char *const broken[] = {
        "", "{", "[1,]", "{\"a\" 1}", "01", "\"\\ud800\"", "[1] 2",
        "nul", "\"tab\there\"", "-", "1.", "{\"a\":1,}"
    };
    lt_arena arena;
    lt_json *root;
    lt_json *again;
    lt_str first;
    lt_str second;
    size_t where;
    size_t i;

    lt_arena_init(&arena, 1024);
    lt_str_init(&first);
    lt_str_init(&second);
    LT_CHECK(lt_json_parse(text, strlen(text), &arena, &root, &where)
             == LT_OK);
    LT_CHECK(lt_json_get(root, "on")->kind == LT_JSON_TRUE);
    LT_CHECK(lt_json_get(root, "absent") == NULL);
    LT_CHECK(lt_json_index(lt_json_get(root, "levels"), 2)->number == 300);
    LT_CHECK(strcmp(lt_json_get(root, "name")->string,
                    "lamp \xc3\xa9 \xf0\x9f\x98\x80") == 0);

    /* Printing and parsing again must lead to the same text. */
    LT_CHECK(lt_json_print(&first, root) == LT_OK);
    LT_CHECK(lt_json_parse(first.text, first.length, &arena, &again, NULL)
             == LT_OK);
    LT_CHECK(lt_json_print(&second, again) == LT_OK);
    LT_CHECK(strcmp(first.text, second.text) == 0);

    for (i = 0; i < LT_COUNT(broken); i++)
        LT_CHECK(lt_json_parse(broken[i], strlen(broken[i]), &arena, &root,
                               &where) == LT_ERR_SYNTAX && root == NULL);
    lt_str_clear(&first);
    for (i = 0; i < 500; i++)
        lt_str_push(&first, '[');
    LT_CHECK(lt_json_parse(first.text, first.length, &arena, &root, NULL)
             == LT_ERR_DEPTH);
    lt_str_free(&first);
    lt_str_free(&second);
    lt_arena_free(&arena);
}

static void test_matrix(void)
{
    static const double cells[9] = { 0, 2, 1, 3, -1, 2, 1, 1, 4 };
    static const double b[3] = { -1, 11, 11 };
    lt_matrix a;
    lt_matrix t;
    lt_matrix p;
    double x[3];

    LT_CHECK(lt_matrix_init(&a, 3, 3) == LT_OK);
    LT_CHECK(lt_matrix_init(&t, 3, 3) == LT_OK);
    LT_CHECK(lt_matrix_init(&p, 3, 0) == LT_ERR_RANGE && p.data == NULL);
    LT_CHECK(lt_matrix_init(&p, 3, 3) == LT_OK);
    memcpy(a.data, cells, sizeof cells);
    LT_CHECK(lt_matrix_transpose(&t, &a) == LT_OK);
    LT_CHECK(LT_AT(&t, 2, 0) == 1.0);
    LT_CHECK(lt_matrix_mul(&p, &a, &t) == LT_OK);
    LT_CHECK(LT_AT(&p, 0, 0) == 5.0 && LT_AT(&p, 0, 1) == LT_AT(&p, 1, 0));
    LT_CHECK(lt_matrix_solve(&a, b, x) == LT_OK);
    LT_CHECK(fabs(x[0] - 1) < 1e-12 && fabs(x[1] + 2) < 1e-12
             && fabs(x[2] - 3) < 1e-12);
    memset(a.data, 0, sizeof cells);
    LT_CHECK(lt_matrix_solve(&a, b, x) == LT_ERR_MATH);
    lt_matrix_free(&a);
    lt_matrix_free(&t);
    lt_matrix_free(&p);
}

static void test_random(void)
{
    lt_rng rng;
    lt_rng twin;
    lt_stats stats;
    lt_vec deck;
    unsigned tally[6] = { 0 };
    uint32_t small = 1;
    int sum = 0;
    int i;

    lt_rng_seed(&rng, 12345);
    lt_rng_seed(&twin, 12345);
    LT_CHECK(lt_rng_next(&rng) == lt_rng_next(&twin));
    for (i = 0; i < 60000; i++)
        tally[lt_rng_below(&rng, 6)]++;
    for (i = 0; i < 6; i++)
        LT_CHECK(tally[i] > 9500 && tally[i] < 10500);
    lt_stats_init(&stats);
    for (i = 0; i < 50000; i++)
        lt_stats_add(&stats, lt_rng_normal(&rng));
    LT_CHECK(fabs(stats.mean) < 0.03);
    LT_CHECK(fabs(lt_stats_variance(&stats) - 1.0) < 0.05);
    LT_CHECK(stats.least < -3.0 && stats.most > 3.0);
    LT_CHECK(lt_xorshift32(&small) == 270369);

    lt_vec_init(&deck, sizeof i);
    for (i = 0; i < 52; i++)
        lt_vec_push(&deck, &i);
    lt_rng_shuffle(&rng, &deck);
    while (lt_vec_pop(&deck, &i) == LT_OK)
        sum += i;
    LT_CHECK(sum == 51 * 52 / 2);
    lt_vec_free(&deck);
}

static void test_codec(void)
{
    static const char *const plain[] = {
        "", "f", "fo", "foo", "foob", "fooba", "foobar"
    };
    static const char *const coded[] = {
        "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"
    };
    unsigned char packed[10];
    uint64_t number;
    lt_str s;
    size_t i;

    lt_str_init(&s);
    for (i = 0; i < LT_COUNT(plain); i++) {
        lt_str_clear(&s);
        LT_CHECK(lt_base64_encode(&s, plain[i], strlen(plain[i]))
                 == LT_OK);
        LT_CHECK(strcmp(lt_str_cstr(&s), coded[i]) == 0);
        lt_str_clear(&s);
        LT_CHECK(lt_base64_decode(&s, coded[i], strlen(coded[i]))
                 == LT_OK);
        LT_CHECK(strcmp(lt_str_cstr(&s), plain[i]) == 0);
    }
    LT_CHECK(lt_base64_decode(&s, "Zg=a", 4) == LT_ERR_SYNTAX);
    LT_CHECK(lt_base64_decode(&s, "Zm9", 3) == LT_ERR_SYNTAX);
    LT_CHECK(lt_base64_decode(&s, "Zm!v", 4) == LT_ERR_SYNTAX);
    lt_str_clear(&s);
    LT_CHECK(lt_hex_encode(&s, "\x01\xfe", 2) == LT_OK);
    LT_CHECK(strcmp(s.text, "01fe") == 0);
    lt_str_free(&s);

    LT_CHECK(lt_crc32(0, "123456789", 9) == UINT32_C(0xcbf43926));
    LT_CHECK(lt_crc32(lt_crc32(0, "1234", 4), "56789", 5)
             == UINT32_C(0xcbf43926));
    LT_CHECK(lt_adler32(1, "lantern", 7) == UINT32_C(0x0bb802f5));
    LT_CHECK(lt_varint_put(packed, 300) == 2);
    LT_CHECK(lt_varint_get(packed, 2, &number) == 2 && number == 300);
    LT_CHECK(lt_varint_get(packed, 1, &number) == 0);
    LT_CHECK(lt_varint_put(packed, UINT64_MAX) == 10);
    LT_CHECK(lt_varint_get(packed, 10, &number) == 10
             && number == UINT64_MAX);
}

static bool lookup_xy(const char *name, double *value, void *user)
{
    const double *pair = user;

    if (strcmp(name, "x") == 0)
        *value = pair[0];
    else if (strcmp(name, "y") == 0)
        *value = pair[1];
    else
        return false;
    return true;
}

static void test_expressions(void)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {
        { "1 + 2 * 3", 7 },
        { "(1 + 2) * 3", 9 },
        { "2 ^ 3 ^ 2", 512 },
        { "-2 ^ 2", -4 },
        { "2 ^ -1", 0.5 },
        { "10 - 4 - 3", 3 },
        { "17 % 5", 2 },
        { "sqrt(x * x + y * y)", 5 },
        { "x < y ? 10 : 20", 10 },
        { "x > y ? 10 : x = 3 ? 30 : 40", 30 },
        { "abs(-floor(2.75))", 2 }
    };
    static const char *const bad[] = {
        "", "1 +", "(1", "1 2", "* 3", "x ? 1", ")", "2 ^", "sqrt(4"
    };
    double pair[2] = { 3, 4 };
    double result;
    lt_program program;
    size_t i;

    lt_program_init(&program);
    for (i = 0; i < LT_COUNT(good); i++) {
        LT_CHECK(lt_compile(&program, good[i].text) == LT_OK);
        LT_CHECK(lt_run(&program, lookup_xy, pair, &result) == LT_OK);
        LT_CHECK(fabs(result - good[i].value) < 1e-12);
    }
    for (i = 0; i < LT_COUNT(bad); i++)
        LT_CHECK(lt_compile(&program, bad[i]) == LT_ERR_SYNTAX);
    LT_CHECK(lt_compile(&program, "cube(3)") == LT_ERR_NOT_FOUND);
    LT_CHECK(lt_compile(&program, "1 / (2 - 2)") == LT_OK);
    LT_CHECK(lt_run(&program, NULL, NULL, &result) == LT_ERR_MATH);
    LT_CHECK(lt_compile(&program, "z + 1") == LT_OK);
    LT_CHECK(lt_run(&program, lookup_xy, pair, &result)
             == LT_ERR_NOT_FOUND);
    lt_program_free(&program);
}

static void test_graph(void)
{
    lt_graph graph;
    lt_union sets;
    double distance[6];
    size_t parent[6];
    size_t hops[6];
    size_t order[6];

    LT_CHECK(lt_graph_init(&graph, 6) == LT_OK);
    lt_graph_connect(&graph, 0, 1, 7.0);
    lt_graph_connect(&graph, 0, 2, 2.0);
    lt_graph_connect(&graph, 2, 1, 3.0);
    lt_graph_connect(&graph, 1, 3, 1.0);
    lt_graph_connect(&graph, 2, 3, 8.0);
    lt_graph_connect(&graph, 3, 4, 4.0);
    LT_CHECK(lt_graph_connect(&graph, 0, 6, 1.0) == LT_ERR_RANGE);

    LT_CHECK(lt_graph_bfs(&graph, 0, hops) == LT_OK);
    LT_CHECK(hops[3] == 2 && hops[4] == 3 && hops[5] == LT_NO_NODE);
    LT_CHECK(lt_graph_dijkstra(&graph, 0, distance, parent) == LT_OK);
    LT_CHECK(distance[1] == 5.0 && distance[4] == 10.0);
    LT_CHECK(parent[1] == 2 && parent[3] == 1);
    LT_CHECK(distance[5] == HUGE_VAL);
    LT_CHECK(lt_graph_topological(&graph, order) == LT_OK);
    lt_graph_connect(&graph, 4, 0, 1.0);
    LT_CHECK(lt_graph_topological(&graph, order) == LT_ERR_RANGE);
    lt_graph_free(&graph);

    LT_CHECK(lt_union_init(&sets, 10) == LT_OK);
    LT_CHECK(lt_union_join(&sets, 1, 2) && lt_union_join(&sets, 3, 4));
    LT_CHECK(lt_union_join(&sets, 2, 4) && !lt_union_join(&sets, 1, 3));
    LT_CHECK(sets.groups == 7);
    LT_CHECK(lt_union_find(&sets, 1) != lt_union_find(&sets, 5));
    lt_union_free(&sets);
}

static void count_eviction(const char *key, void *value, void *user)
{
    LT_UNUSED(key);
    LT_UNUSED(value);
    ++*(int *)user;
}

static void test_lru(void)
{
    lt_lru cache;
    void *value;
    int evicted = 0;
    int a = 1;
    int b = 2;

    lt_lru_init(&cache, 2, count_eviction, &evicted);
    LT_CHECK(lt_lru_put(&cache, "first", &a) == LT_OK);
    LT_CHECK(lt_lru_put(&cache, "second", &b) == LT_OK);
    LT_CHECK(lt_lru_get(&cache, "first", &value) && value == &a);
    LT_CHECK(lt_lru_put(&cache, "third", &b) == LT_OK);
    LT_CHECK(evicted == 1);
    LT_CHECK(!lt_lru_get(&cache, "second", &value));
    LT_CHECK(lt_lru_get(&cache, "first", &value));
    LT_CHECK(cache.hits == 2 && cache.misses == 1);
    lt_lru_free(&cache);
    LT_CHECK(evicted == 3);
}

typedef struct {
    int64_t port;
    char title[32];
    size_t settings;
} ini_result;

static bool take_setting(const char *section, const char *key,
                         const char *value, void *user)
{
    ini_result *result = user;

    result->settings++;
    if (strcmp(section, "server") == 0 && strcmp(key, "port") == 0)
        return lt_parse_int(value, &result->port) == LT_OK;
    if (strcmp(section, "") == 0 && strcmp(key, "title") == 0)
        strncpy(result->title, value, sizeof result->title - 1);
    return true;
}

static void test_ini(void)
{
    ini_result result = { 0, "", 0 };
    int64_t number;
    size_t line;

    LT_CHECK(lt_ini_parse("title = \"The Old Lighthouse\"\n"
                          "; where to listen\n"
                          "[server]\n"
                          "  port = 8080  \n"
                          "\n"
                          "host = localhost",
                          take_setting, &result, &line) == LT_OK);
    LT_CHECK(result.settings == 3 && result.port == 8080);
    LT_CHECK(strcmp(result.title, "The Old Lighthouse") == 0);
    LT_CHECK(lt_ini_parse("a = 1\n[open\n", take_setting, &result, &line)
             == LT_ERR_SYNTAX && line == 2);
    LT_CHECK(lt_parse_int("-12", &number) == LT_OK && number == -12);
    LT_CHECK(lt_parse_int("12x", &number) == LT_ERR_SYNTAX);
    LT_CHECK(lt_parse_int("99999999999999999999", &number)
             == LT_ERR_RANGE);
}

static void test_dates(void)
{
    lt_date date = { 1970, 1, 1 };
    lt_str s;
    int64_t day;

    LT_CHECK(lt_date_to_days(date) == 0 && lt_date_weekday(date) == 4);
    for (day = -800000; day < 800000; day += 997) {
        lt_date there = lt_date_from_days(day);

        LT_CHECK(lt_date_valid(there) && lt_date_to_days(there) == day);
    }
    LT_CHECK(lt_date_parse("2024-02-29", &date) == LT_OK);
    LT_CHECK(lt_date_weekday(date) == 4 && lt_date_yearday(date) == 60);
    date = lt_date_add_months(date, 12);
    lt_str_init(&s);
    LT_CHECK(lt_date_print(&s, date) == LT_OK);
    LT_CHECK(strcmp(s.text, "2025-02-28") == 0);
    lt_str_free(&s);
    date = lt_date_add_months(date, -14);
    LT_CHECK(date.year == 2023 && date.month == 12 && date.day == 28);
    LT_CHECK(lt_date_parse("2023-02-29", &date) == LT_ERR_RANGE);
    LT_CHECK(lt_date_parse("2023-2-09", &date) == LT_ERR_SYNTAX);
    LT_CHECK(!lt_is_leap_year(1900) && lt_is_leap_year(2000));
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
        { "arena", test_arena },
        { "vec", test_vec },
        { "str", test_str },
        { "map", test_map },
        { "heap", test_heap },
        { "avl", test_avl },
        { "ring", test_ring },
        { "bitset", test_bitset },
        { "sort", test_sort },
        { "search", test_search },
        { "utf8", test_utf8 },
        { "json", test_json },
        { "matrix", test_matrix },
        { "random", test_random },
        { "codec", test_codec },
        { "expressions", test_expressions },
        { "graph", test_graph },
        { "lru", test_lru },
        { "ini", test_ini },
        { "dates", test_dates }
    };
    size_t i;

    for (i = 0; i < LT_COUNT(tests); i++) {
        unsigned before = lt_checks_failed;

        tests[i].run();
        printf("%-12s %s\n", tests[i].name,
               lt_checks_failed == before ? "ok" : "FAILED");
    }
    printf("%u checks, %u failed; last status: %s\n", lt_checks_run,
           lt_checks_failed,
           lt_status_text(lt_checks_failed == 0 ? LT_OK : LT_ERR_RANGE));
    return lt_checks_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
