// An object per thread, made without allocating. A thread_local with a destructor allocates: the C library ends the
// process ("failed to register TLS destructor") if there is no memory to register it.
#pragma once

#include <pthread.h>

#include <new>

namespace cairn::engine {

/// This thread's T, made by its default constructor, which must not allocate or throw. It is destroyed when the thread
/// ends; in the rare case that this cannot be arranged (no key left) what it holds is leaked.
/// Cost: a load and a branch, as of a thread_local with a constructor.
template <class T>
T& thread_object() {
  struct Place {
    alignas(T) unsigned char bytes[sizeof(T)];
    bool made;
  };
  thread_local constinit Place place = {};
  if (!place.made) [[unlikely]] {
    // Deleted when the library is unloaded, so that threads that end later do not call into it.
    struct Key {
      pthread_key_t key = 0;
      bool valid = pthread_key_create(&key, [](void* p) {
                     auto* ended = static_cast<Place*>(p);
                     ended->made = false;  // a later destructor that asks for the object gets a new one
                     reinterpret_cast<T*>(ended->bytes)->~T();
                   }) == 0;
      Key() = default;
      Key(const Key&) = delete;
      Key& operator=(const Key&) = delete;
      ~Key() {
        if (valid) {
          (void)pthread_key_delete(key);
        }
      }
    };
    static const Key key;
    new (place.bytes) T();
    place.made = true;
    if (key.valid) {
      (void)pthread_setspecific(key.key, &place);
    }
  }
  return *std::launder(reinterpret_cast<T*>(place.bytes));
}

}  // namespace cairn::engine
